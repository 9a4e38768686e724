//! Loading a state: `tough` checks signatures, thresholds, hashes, versions and paths, and what it
//! leaves open is checked here. Nothing here looks at a clock.

use std::collections::{BTreeMap, BTreeSet};

use tough::schema::key::Key;
use tough::schema::{self, Metafile, RoleType, Root, Targets};
use tough::{
    ExpirationEnforcement, IntoVec as _, RepositoryLoader, TargetName, error as tuf_error,
};
use url::Url;

use super::contents::{Contents, RoleState, Target, role_of};
use super::error::{Error, digest_text, signatures};
use super::exact;
use super::memory::Remembered;
use super::root::{self, RootFile};
use super::state::{TufState, root_file};
use super::transport::{METADATA_URL, Memory, TARGETS_URL};

/// Loads `state`, trusting `root`, with rollback judged against `remembered`.
pub(crate) async fn load(
    given: &[u8],
    state: &TufState,
    remembered: Option<&Remembered>,
) -> Result<Contents, Error> {
    state.check_size()?;
    let given = root::given(given)?;
    let memory = remembered.map(Remembered::root).transpose()?.flatten();
    let trusted = root::trusted(&given, memory, state)?;
    let transport = Memory::new(state.clone());
    let repository = tough_load(&trusted, remembered, &transport).await?;
    let mut reader = Reader { state, repository: &repository, roles: BTreeMap::new() };
    let contents = reader.contents(&transport, &trusted).await?;
    if let Some(remembered) = remembered {
        check_fork(remembered, &trusted.signed.signed, &repository)?;
    }
    Ok(contents)
}

async fn tough_load(
    trusted: &RootFile,
    remembered: Option<&Remembered>,
    transport: &Memory,
) -> Result<tough::Repository, Error> {
    let scratch = tempfile::tempdir().map_err(Error::Scratch)?;
    for (file, text) in remembered.map(Remembered::files).into_iter().flatten() {
        if let Some(text) = text {
            std::fs::write(scratch.path().join(file), text).map_err(Error::Scratch)?;
        }
    }
    let url = |text: &str| {
        let source = Url::parse(text);
        source.map_err(|e| Error::Malformed { file: text.to_owned(), source: Box::new(e) })
    };
    RepositoryLoader::new(&trusted.bytes, url(METADATA_URL)?, url(TARGETS_URL)?)
        .transport(transport.clone())
        .datastore(scratch.path())
        // Time is a parameter here and the system's in `tough`: the caller judges every expiry.
        .expiration_enforcement(ExpirationEnforcement::Unsafe)
        .load()
        .await
        .map_err(|e| name(e, transport))
}

struct Reader<'a> {
    state: &'a TufState,
    repository: &'a tough::Repository,
    roles: BTreeMap<String, RoleState>,
}

impl Reader<'_> {
    async fn contents(
        &mut self,
        transport: &Memory,
        trusted: &RootFile,
    ) -> Result<Contents, Error> {
        let root = &self.repository.root().signed;
        let file = root_file(root.version.get());
        if !root.consistent_snapshot {
            return Err(Error::NotConsistent { file });
        }
        for (role, keys) in &root.roles {
            check_keys(&role.to_string(), &keys.keyids, &root.keys)?;
        }
        let root_bytes = match root.version.get() {
            version if version == trusted.version() => trusted.bytes.clone(),
            _ => self.bytes(&file)?,
        };
        self.add_root(root_bytes)?;
        let timestamp = &self.repository.timestamp().signed;
        self.add("timestamp", "timestamp.json".to_owned(), timestamp, &timestamp.spec_version)?;
        let snapshot = &self.repository.snapshot().signed;
        let file = format!("{}.snapshot.json", snapshot.version);
        self.add("snapshot", file, snapshot, &snapshot.spec_version)?;
        let targets = &self.repository.targets().signed;
        let file = format!("{}.targets.json", targets.version);
        self.add("targets", file, targets, &targets.spec_version)?;
        self.delegations(targets)?;
        let found = self.targets(transport, "targets", targets).await?;
        Ok(Contents::new(std::mem::take(&mut self.roles), found))
    }

    fn bytes(&self, file: &str) -> Result<Vec<u8>, Error> {
        let found = self.state.metadata.get(file);
        found.cloned().ok_or_else(|| Error::Missing { file: file.to_owned() })
    }

    fn add_root(&mut self, bytes: Vec<u8>) -> Result<(), Error> {
        let root = &self.repository.root().signed;
        let file = root_file(root.version.get());
        check_spec(&file, &root.spec_version)?;
        let state = RoleState {
            name: "root".to_owned(),
            file,
            version: root.version.get(),
            expires: root.expires.into(),
            bytes,
        };
        self.roles.insert("root".to_owned(), state);
        Ok(())
    }

    fn add(
        &mut self,
        name: &str,
        file: String,
        role: &impl schema::Role,
        spec: &str,
    ) -> Result<(), Error> {
        check_spec(&file, spec)?;
        let bytes = self.bytes(&file)?;
        if let Err(source) = exact::check(&bytes, role) {
            return Err(Error::Malformed { file, source });
        }
        let state = RoleState {
            name: name.to_owned(),
            version: role.version().get(),
            expires: role.expires().into(),
            bytes,
            file,
        };
        self.roles.insert(name.to_owned(), state);
        Ok(())
    }

    /// Every role that `parent` delegates to, and what those delegate to.
    fn delegations(&mut self, parent: &Targets) -> Result<(), Error> {
        let Some(delegations) = &parent.delegations else { return Ok(()) };
        for role in &delegations.roles {
            check_keys(&role.name, &role.keyids, &delegations.keys)?;
            if self.roles.contains_key(&role.name) {
                return Err(Error::RoleTwice { role: role.name.clone() });
            }
            // `tough` drops all delegations silently if the snapshot lacks one of them.
            let Some(targets) = &role.targets else {
                let version = self.repository.snapshot().signed.version;
                let snapshot = format!("{version}.snapshot.json");
                return Err(Error::NotInSnapshot { role: role.name.clone(), snapshot });
            };
            let file = format!("{}.{}.json", targets.signed.version, role.name);
            self.add(&role.name, file, &targets.signed, &targets.signed.spec_version)?;
            self.delegations(&targets.signed)?;
        }
        Ok(())
    }

    /// The targets of `role` and of all roles below it.
    async fn targets(
        &self,
        transport: &Memory,
        role: &str,
        signed: &Targets,
    ) -> Result<BTreeMap<String, Target>, Error> {
        let mut found = BTreeMap::new();
        let mut open = vec![(role, signed)];
        while let Some((role, signed)) = open.pop() {
            for (name, target) in &signed.targets {
                let bytes = self.target(transport, role, name, target).await?;
                found.insert(name.raw().to_owned(), Target { role: role.to_owned(), bytes });
            }
            let below = signed.delegations.iter().flat_map(|delegations| &delegations.roles);
            open.extend(below.filter_map(|role| {
                role.targets.as_ref().map(|targets| (role.name.as_str(), &targets.signed))
            }));
        }
        Ok(found)
    }

    async fn target(
        &self,
        transport: &Memory,
        role: &str,
        name: &TargetName,
        target: &schema::Target,
    ) -> Result<Vec<u8>, Error> {
        if !is_plain(name.raw()) {
            return Err(Error::TargetName { name: name.raw().chars().take(200).collect() });
        }
        // The entry that a client's search ends at must be this one, and its role one that may give
        // this kind of document.
        let top = &self.repository.targets().signed;
        let is_provider = top.find_target(name, false).is_ok_and(|one| std::ptr::eq(one, target));
        if !is_provider || role_of(name.raw()).is_some_and(|expected| expected != role) {
            let target = name.raw().to_owned();
            return Err(Error::ForeignTarget { role: role.to_owned(), target });
        }
        let missing = || Error::Missing { file: name.raw().to_owned() };
        let stream =
            self.repository.read_target(name).await.map_err(|e| self::name(e, transport))?;
        let bytes =
            stream.ok_or_else(missing)?.into_vec().await.map_err(|e| self::name(e, transport))?;
        if bytes.len() as u64 != target.length {
            return Err(Error::Size { file: transport.last_file(), expected: target.length });
        }
        Ok(bytes)
    }
}

/// Letters, digits, `.`, `_` and `-`: what needs no escape in a URL, a file name or a glob.
fn is_plain(name: &str) -> bool {
    (1..=200).contains(&name.len())
        && !name.starts_with('.')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

fn check_spec(file: &str, found: &str) -> Result<(), Error> {
    if found.split('.').next() == Some("1") {
        return Ok(());
    }
    Err(Error::SpecVersion { file: file.to_owned(), found: found.chars().take(40).collect() })
}

/// Thresholds count key ids, so each id of a role must be another key.
fn check_keys<'a, K>(
    role: &str,
    ids: impl IntoIterator<Item = &'a K>,
    keys: &std::collections::HashMap<K, Key>,
) -> Result<(), Error>
where
    K: std::hash::Hash + Eq + 'a,
{
    let mut seen = BTreeSet::new();
    for key in ids.into_iter().filter_map(|id| keys.get(id)) {
        let public: &[u8] = match key {
            Key::Rsa { keyval, .. } => &keyval.public,
            Key::Ed25519 { keyval, .. } => &keyval.public,
            Key::Ecdsa { keyval, .. } | Key::EcdsaOld { keyval, .. } => &keyval.public,
        };
        if !seen.insert(public) {
            return Err(Error::KeyTwice { role: role.to_owned() });
        }
    }
    Ok(())
}

/// The same version with other content is a fork: TUF has the client keep what it had, and we keep no
/// target files, so it is refused. Rotated keys forgive it, as they forgive lower versions (section
/// 5.3.11).
fn check_fork(
    remembered: &Remembered,
    trusted: &Root,
    now: &tough::Repository,
) -> Result<(), Error> {
    let root = &now.root().signed;
    let rotated = |role| !trusted.keys(role).eq(root.keys(role));
    if rotated(RoleType::Timestamp) || rotated(RoleType::Snapshot) {
        return Ok(());
    }
    let fork = |role: &str, version: u64| Err(Error::Fork { role: role.to_owned(), version });
    if let Some(seen) = remembered.timestamp()? {
        let found = &now.timestamp().signed;
        if seen.signed.version == found.version && seen.signed != *found {
            return fork("timestamp", found.version.get());
        }
    }
    if let Some(seen) = remembered.snapshot()? {
        let found = &now.snapshot().signed;
        if seen.signed.version == found.version && seen.signed != *found {
            return fork("snapshot", found.version.get());
        }
        for (file, meta) in &seen.signed.meta {
            let differs = |other: &&Metafile| {
                other.version == meta.version
                    && matches!((&other.hashes, &meta.hashes), (Some(a), Some(b)) if a.sha256 != b.sha256)
            };
            if let Some(other) = found.meta.get(file).filter(differs) {
                return fork(file.trim_end_matches(".json"), other.version.get());
            }
        }
    }
    Ok(())
}

/// Names the attack in an error of `tough`.
fn name(error: tuf_error::Error, transport: &Memory) -> Error {
    use tuf_error::Error as T;
    if let Some(fault) = transport.take_fault() {
        return fault;
    }
    let file = transport.last_file();
    let role = |name: &str| name.trim_end_matches(".json").to_owned();
    match error {
        T::VerifyMetadata { source, .. } => signatures(file, &source),
        T::ParseMetadata { source, .. } => Error::Malformed { file, source: Box::new(source) },
        T::VersionMismatch { fetched, expected, .. } => {
            Error::Version { file, found: fetched, expected }
        }
        T::OlderMetadata { role, current_version, new_version, .. } => {
            Error::Rollback { role: role.to_string(), seen: current_version, found: new_version }
        }
        T::OlderSnapshotInTimestamp { snapshot_new, snapshot_old, .. } => {
            Error::Rollback { role: role("snapshot"), seen: snapshot_old, found: snapshot_new }
        }
        T::SnapshotRoleRollback { role: name, old_role_version, new_role_version, .. } => {
            Error::Rollback { role: role(&name), seen: old_role_version, found: new_role_version }
        }
        T::SnapshotRoleMissing { role: name, .. } => Error::Vanished { role: role(&name) },
        T::InvalidPath { source: schema::Error::TargetNotFound { name } } => {
            Error::NotDelegated { target: name.raw().chars().take(200).collect() }
        }
        T::Transport { source, .. } => transport_fault(file, source),
        T::DatastoreInit { source, .. }
        | T::DatastoreCreate { source, .. }
        | T::DatastoreOpen { source, .. }
        | T::DatastoreRemove { source, .. } => Error::Scratch(source),
        // Its message has its causes in it.
        other => Error::Tough { file, source: other.to_string().into() },
    }
}

/// A hash or a size that `tough` found wrong while it read a file.
fn transport_fault(file: String, error: tough::TransportError) -> Error {
    use std::error::Error as _;
    let cause = error.source().and_then(|cause| cause.downcast_ref::<tuf_error::Error>());
    match cause {
        Some(tuf_error::Error::HashMismatch { calculated, expected, .. }) => {
            Error::Hash { file, found: digest_text(calculated), expected: digest_text(expected) }
        }
        Some(tuf_error::Error::MaxSizeExceeded { max_size, .. }) => {
            Error::Size { file, expected: *max_size }
        }
        _ => Error::Malformed { file, source: Box::new(error) },
    }
}
