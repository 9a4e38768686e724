//! `fleetfix approve`: a person looks at a bundle and signs its digest.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use fleetfix_audit::agreement::{self, Documents};
use fleetfix_audit::bundle::{self, Contents};
use fleetfix_model::document::approval::ApprovalKind;
use fleetfix_model::document::policy::Role;
use fleetfix_model::document::{self, Approval, FixBundle, FixPlan};
use fleetfix_model::name::{ChannelName, FindingId, PrincipalName};
use fleetfix_model::{Classify as _, Digest, Reference, Timestamp, ToCanonical, media};
use fleetfix_registry::RegistryArgs;
use fleetfix_signer::KeyArgs;
use fleetfix_task::{Context, Failure, Outcome, file};
use fleetfix_trust::Sign;
use fleetfix_trust::dsse::Envelope;
use fleetfix_trust::statement::Statement;
use serde_json::json;

use crate::shown;

const SECONDS_PER_DAY: i64 = 86_400;

/// Look at a bundle, and sign its digest: without a key it is only shown.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The bundle. With a key it must be named by its digest: a tag may have moved since it was read.
    #[arg(long, env = "FLEETFIX_BUNDLE", value_name = "REF")]
    bundle: Reference,
    /// Who approves, as the trust policy names them.
    #[arg(long, env = "FLEETFIX_PRINCIPAL", value_name = "NAME")]
    principal: Option<PrincipalName>,
    /// Channel that the approval is good for; repeatable.
    #[arg(long = "channel", env = "FLEETFIX_CHANNEL", value_delimiter = ',', value_name = "NAME")]
    channels: Vec<ChannelName>,
    /// Why: one line.
    #[arg(long, env = "FLEETFIX_REASON", value_name = "TEXT")]
    reason: Option<String>,
    /// A waived finding of the plan that the approver accepts; every one must be named.
    #[arg(long = "accept", env = "FLEETFIX_ACCEPT", value_delimiter = ',', value_name = "FINDING")]
    findings: Vec<FindingId>,
    /// Days for which the approval is good.
    #[arg(long, env = "FLEETFIX_VALID_DAYS", value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=365))]
    valid_days: u16,
    /// File to write the approval to, a DSSE envelope: fit for a pull request.
    #[arg(long, env = "FLEETFIX_APPROVAL", value_name = "FILE")]
    approval: Option<PathBuf>,
    #[command(flatten)]
    key: KeyArgs,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// What it takes to sign, all of it there.
struct Approver<'a> {
    principal: &'a PrincipalName,
    reason: &'a str,
    approval: &'a Path,
}

impl Args {
    /// Shows the bundle, and signs its digest if there is a key.
    pub async fn run(self, context: &Context) -> Result<Outcome, Failure> {
        let approver = self.approver()?;
        let store = self.registry.client()?.store(&self.bundle.repository);
        let manifest = store.get(&self.bundle).await?;
        let digest = manifest.digest;
        let by_digest = self.bundle.repository.at(digest);
        if approver.is_some() && self.bundle.digest.is_none() {
            return Err(Failure::usage(format!("{}: a tag is never signed", self.bundle)).hint(
                format!("read it without --key, then sign what was read: --bundle {by_digest}"),
            ));
        }
        // Nobody vouches for these yet: approvers are the ones who do.
        let contents = bundle::read(&store, &manifest.descriptor())
            .await
            .map_err(|judged| judged.error_about(&self.bundle))?;
        let Contents { bundle, plan, request } = &contents;
        let shown = shown::text(digest, bundle, plan);
        let stopped = stopped(&by_digest, Documents { request, plan, bundle }, context.now);
        let Some(approver) = approver else {
            return Ok(read_only(&by_digest, shown, stopped));
        };
        stopped.map_or(Ok(()), Err)?;
        self.accepts(plan)?;
        for line in shown.lines() {
            context.step(line);
        }
        self.sign(context, &approver, digest, bundle, Digest::of(&shown))
    }

    /// Who signs, and where to: nobody, where there is no key.
    fn approver(&self) -> Result<Option<Approver<'_>>, Failure> {
        if self.key.key.is_none() && self.approval.is_none() {
            return Ok(None);
        }
        let missing = |flag: &str| {
            Failure::usage(format!("an approval needs {flag}"))
                .hint("without --key and --approval the bundle is only shown")
        };
        if self.key.key.is_none() {
            return Err(missing("--key"));
        }
        if self.channels.is_empty() {
            return Err(missing("--channel"));
        }
        Ok(Some(Approver {
            principal: self.principal.as_ref().ok_or_else(|| missing("--principal"))?,
            reason: self.reason.as_deref().ok_or_else(|| missing("--reason"))?,
            approval: self.approval.as_deref().ok_or_else(|| missing("--approval"))?,
        }))
    }

    fn sign(
        &self,
        context: &Context,
        approver: &Approver<'_>,
        digest: Digest,
        bundle: &FixBundle,
        shown: Digest,
    ) -> Result<Outcome, Failure> {
        let Approver { principal, reason, approval: path } = approver;
        let key = self.key.signing_key()?;
        if path.exists() {
            return Err(Failure::input(format!("{} is there already", path.display()))
                .hint("an approval is never overwritten: name another file"));
        }
        let mut channels = self.channels.clone();
        channels.sort();
        channels.dedup();
        let mut findings = self.findings.clone();
        findings.sort();
        findings.dedup();
        let expires = context.now.plus_seconds(i64::from(self.valid_days) * SECONDS_PER_DAY);
        let approval = Approval {
            api_version: document::ApiVersion::V1alpha1,
            kind: ApprovalKind::Approval,
            annotations: document::Annotations::new(),
            requires: Vec::new(),
            principal: (*principal).clone(),
            role: Role::Approver,
            request: bundle.request,
            plan: bundle.plan,
            channels,
            findings,
            shown,
            reason: (*reason).to_owned(),
            issued: context.now,
            expires,
        };
        // What is signed is what a reader accepts: a reason of two lines ends here.
        let bytes = approval.to_canonical()?;
        document::from_canonical::<Approval>("the approval", &bytes)?;
        let statement = Statement::new(digest, media::APPROVAL_PREDICATE, approval).to_bytes()?;
        let mut envelope = Envelope::new(statement);
        envelope.sign_with(&key)?;
        let envelope = envelope.to_bytes()?;
        file::write_atomic(path, &envelope)?;
        context.step(format_args!(
            "{principal} approved {digest} with key {} until {expires}",
            key.public_key(),
        ));
        Ok(Outcome::json(&json!({
            "approval": path.display().to_string(),
            "digest": Digest::of(&envelope),
            "bundle": digest,
            "shown": shown,
        }))?)
    }

    /// Nobody accepts a waiver without naming it.
    fn accepts(&self, plan: &FixPlan) -> Result<(), Failure> {
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

/// The text for whoever reads before they sign, and where to go from there.
fn read_only(bundle: &Reference, mut shown: String, stopped: Option<Failure>) -> Outcome {
    // Writing to a string does not fail.
    let _ = write!(shown, "\nread as {}; to approve it: --bundle {bundle}", Digest::of(&shown));
    let outcome = Outcome::text(shown);
    match stopped {
        Some(failure) => outcome.ending(failure.class(), failure.line()),
        None => outcome,
    }
}

/// What keeps everybody from approving: a finding that stops the plan, or documents that differ, of which
/// an approver reads but one.
fn stopped(bundle: &Reference, documents: Documents<'_>, now: Timestamp) -> Option<Failure> {
    let blocking: Vec<String> = documents.plan.stopping(now).map(|f| f.id.to_string()).collect();
    if !blocking.is_empty() {
        let failure =
            Failure::refused(format!("the plan has blocking findings: {}", blocking.join(", ")));
        let hint = "mend the request or have them waived in it, and plan again";
        return Some(failure.hint(hint));
    }
    let agreement = agreement::check(documents, now);
    (!agreement.is_good()).then(|| agreement.error_about(bundle).into())
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use fleetfix_model::document::FixRequest;
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

    fn golden<T: document::Document>(name: &str) -> T {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR"));
        let path = dir.join("../fleetfix-model/tests/goldens").join(name);
        document::from_canonical(name, &std::fs::read(path).unwrap()).unwrap()
    }

    fn plan() -> FixPlan {
        golden("fix-plan.json")
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
        let bundle = golden::<FixBundle>("fix-bundle.json");
        let request = golden::<FixRequest>("fix-request.json");
        let reference: Reference = "oci:dir:b".parse().unwrap();
        let now = Timestamp::from_unix(0).unwrap();
        let stop = |plan: &FixPlan| {
            let documents = Documents { request: &request, plan, bundle: &bundle };
            stopped(&reference, documents, now).unwrap()
        };
        let failure = stop(&plan);
        assert_eq!(failure.class(), Class::Refused);
        assert!(failure.line().contains("blocking"), "{failure}");
        // These goldens are of one fix and do not agree: nobody is asked to approve one of them.
        plan.findings[0].waiver = waived;
        let failure = stop(&plan);
        assert_eq!(failure.class(), Class::Refused);
        assert!(failure.line().contains("differs from"), "{failure}");
    }

    #[test]
    fn without_a_key_it_is_only_shown_and_with_one_nothing_may_be_missing() {
        let given = |args: &[&str]| {
            let args = ["approve", "--bundle", "oci:dir:b"].iter().chain(args);
            Wrapped::try_parse_from(args).unwrap_or_else(|e| panic!("{e}")).args
        };
        assert!(given(&[]).approver().unwrap().is_none());
        assert!(given(&["--principal", "alice"]).approver().unwrap().is_none());
        let all = ["--key=k", "--principal=a", "--channel=c", "--reason=r", "--approval=f"];
        assert!(given(&all).approver().unwrap().is_some());
        for (i, missing) in all.iter().enumerate() {
            let rest: Vec<&str> =
                all.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, arg)| *arg).collect();
            let failure = given(&rest).approver().err().unwrap();
            assert_eq!(failure.class(), Class::Usage);
            let flag = missing.split('=').next().unwrap();
            assert!(failure.line().contains(&format!("needs {flag}")), "{failure}");
        }
    }
}
