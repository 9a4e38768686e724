//! `fleetfix approve`: a person looks at a bundle and signs its digest.

use std::path::PathBuf;

use fleetfix_audit::bundle::{self, Contents};
use fleetfix_model::document::approval::ApprovalKind;
use fleetfix_model::document::policy::Role;
use fleetfix_model::document::{self, Approval, FixPlan};
use fleetfix_model::name::{ChannelName, FindingId, PrincipalName};
use fleetfix_model::{Digest, Reference, ToCanonical, media};
use fleetfix_registry::RegistryArgs;
use fleetfix_signer::KeyArgs;
use fleetfix_task::{Context, Failure, Outcome, file};
use fleetfix_trust::Sign;
use fleetfix_trust::dsse::Envelope;
use fleetfix_trust::statement::Statement;
use serde_json::json;

use crate::shown;

const SECONDS_PER_DAY: i64 = 86_400;

/// Look at a bundle, and sign its digest.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The bundle.
    #[arg(long, env = "FLEETFIX_BUNDLE", value_name = "REF")]
    bundle: Reference,
    /// Who approves, as the trust policy names them.
    #[arg(long, env = "FLEETFIX_PRINCIPAL", value_name = "NAME")]
    principal: PrincipalName,
    /// Channel that the approval is good for; repeatable.
    #[arg(
        long = "channel",
        env = "FLEETFIX_CHANNEL",
        value_delimiter = ',',
        required = true,
        value_name = "NAME"
    )]
    channels: Vec<ChannelName>,
    /// Why: one line.
    #[arg(long, env = "FLEETFIX_REASON", value_name = "TEXT")]
    reason: String,
    /// A waived finding of the plan that the approver accepts; every one must be named.
    #[arg(long = "accept", env = "FLEETFIX_ACCEPT", value_delimiter = ',', value_name = "FINDING")]
    findings: Vec<FindingId>,
    /// Days for which the approval is good.
    #[arg(long, env = "FLEETFIX_VALID_DAYS", value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=365))]
    valid_days: u16,
    /// File to write the approval to, a DSSE envelope: fit for a pull request.
    #[arg(long, env = "FLEETFIX_APPROVAL", value_name = "FILE")]
    approval: PathBuf,
    #[command(flatten)]
    key: KeyArgs,
    #[command(flatten)]
    registry: RegistryArgs,
}

impl Args {
    /// Shows the bundle and signs its digest.
    pub async fn run(self, context: &Context) -> Result<Outcome, Failure> {
        let store = self.registry.client()?.store(&self.bundle.repository);
        let manifest = store.get(&self.bundle).await?;
        let digest = manifest.digest;
        // Nobody vouches for these yet: approvers are the ones who do.
        let Contents { bundle, plan, .. } = bundle::read(&store, &manifest.descriptor())
            .await
            .map_err(|judged| judged.error_about(&self.bundle))?;
        self.accepts(&plan)?;
        let shown = shown::text(digest, &bundle, &plan);
        for line in shown.lines() {
            context.step(line);
        }
        let key = self.key.signing_key()?;
        if self.approval.exists() {
            return Err(Failure::input(format!("{} is there already", self.approval.display()))
                .hint("an approval is never overwritten: name another file"));
        }
        let mut channels = self.channels.clone();
        channels.sort();
        channels.dedup();
        let mut findings = self.findings.clone();
        findings.sort();
        findings.dedup();
        let approval = Approval {
            api_version: document::ApiVersion::V1alpha1,
            kind: ApprovalKind::Approval,
            annotations: document::Annotations::new(),
            requires: Vec::new(),
            principal: self.principal.clone(),
            role: Role::Approver,
            request: bundle.request,
            plan: bundle.plan,
            channels,
            findings,
            shown: Digest::of(&shown),
            reason: self.reason.clone(),
            issued: context.now,
            expires: context.now.plus_seconds(i64::from(self.valid_days) * SECONDS_PER_DAY),
        };
        // What is signed is what a reader accepts: a reason of two lines ends here.
        let bytes = approval.to_canonical()?;
        document::from_canonical::<Approval>("the approval", &bytes)?;
        let statement = Statement::new(digest, media::APPROVAL_PREDICATE, approval).to_bytes()?;
        let mut envelope = Envelope::new(statement);
        envelope.sign_with(&key)?;
        let envelope = envelope.to_bytes()?;
        file::write_atomic(&self.approval, &envelope)?;
        context.step(format_args!(
            "{} approved {} with key {} until {}",
            self.principal,
            digest,
            key.public_key(),
            context.now.plus_seconds(i64::from(self.valid_days) * SECONDS_PER_DAY),
        ));
        Ok(Outcome::json(&json!({
            "approval": self.approval.display().to_string(),
            "digest": Digest::of(&envelope),
            "bundle": digest,
            "shown": Digest::of(&shown),
        }))?)
    }

    /// Nobody approves what the plan refuses, nor accepts a waiver without naming it.
    fn accepts(&self, plan: &FixPlan) -> Result<(), Failure> {
        let blocking: Vec<String> = plan.blocking().map(|f| f.id.to_string()).collect();
        if !blocking.is_empty() {
            return Err(Failure::refused(format!(
                "the plan has blocking findings: {}",
                blocking.join(", ")
            ))
            .hint("mend the request or have them waived in it, and plan again"));
        }
        let waived: Vec<&FindingId> =
            plan.findings.iter().filter(|f| f.waiver.is_some()).map(|f| &f.id).collect();
        if let Some(missing) = waived.iter().find(|id| !self.findings.contains(id)) {
            return Err(Failure::refused(format!("the waived finding {missing} is not accepted"))
                .hint(format!("read it, then pass --accept {missing}")));
        }
        if let Some(unknown) = self.findings.iter().find(|id| !waived.contains(id)) {
            return Err(Failure::input(format!(
                "--accept {unknown}: the plan has no such waived finding"
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use fleetfix_model::Classify as _;
    use fleetfix_model::document::finding::Waiver;

    use fleetfix_model::Class;

    use super::*;

    #[derive(Parser)]
    struct Wrapped {
        #[command(flatten)]
        args: Args,
    }

    fn args(more: &[&str]) -> Args {
        let fixed = [
            "approve",
            "--bundle",
            "oci:dir:b",
            "--principal",
            "alice",
            "--channel",
            "stable",
            "--reason",
            "why",
            "--approval",
            "a.json",
        ];
        Wrapped::try_parse_from(fixed.iter().chain(more)).unwrap_or_else(|e| panic!("{e}")).args
    }

    fn plan() -> FixPlan {
        let bytes = include_bytes!("../../fleetfix-model/tests/goldens/fix-plan.json");
        document::from_canonical("plan", bytes).unwrap()
    }

    #[test]
    fn a_waived_finding_is_accepted_by_name_or_not_at_all() {
        let plan = plan();
        let failure = args(&[]).accepts(&plan).unwrap_err();
        assert_eq!(failure.class(), Class::Refused);
        assert!(failure.line().contains("--accept coverage/4.20.7"), "{failure}");
        assert!(args(&["--accept", "coverage/4.20.7"]).accepts(&plan).is_ok());
        let unknown = args(&["--accept", "coverage/4.20.7,parity/x"]).accepts(&plan).unwrap_err();
        assert_eq!(unknown.class(), Class::Input);
    }

    #[test]
    fn a_blocking_finding_stops_everybody() {
        let mut plan = plan();
        let waived: Option<Waiver> = plan.findings[0].waiver.take();
        assert!(waived.is_some());
        let failure = args(&["--accept", "coverage/4.20.7"]).accepts(&plan).unwrap_err();
        assert_eq!(failure.class(), Class::Refused);
        assert!(failure.line().contains("blocking"), "{failure}");
    }
}
