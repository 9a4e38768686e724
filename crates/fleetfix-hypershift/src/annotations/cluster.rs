//! What a write looks at in a HostedCluster.

use std::collections::BTreeMap;

use fleetfix_model::{HostedPlatform, Version};
use serde_json::Value;

use crate::Error;

/// A HostedCluster as the API server has it.
#[derive(Clone, Debug)]
pub struct HostedCluster {
    name: String,
    platform: HostedPlatform,
    release: String,
    control_plane_release: Option<String>,
    /// Version, state and image of the newest entry of the control plane's history.
    newest: Option<(String, String, String)>,
    /// `None`: there is no map.
    annotations: Option<BTreeMap<String, String>>,
    owners: Vec<String>,
    /// Who manages which annotation.
    managers: Vec<(String, String)>,
    paused_until: Option<String>,
}

/// Who may write annotations beside us: people's tools.
const PEOPLE: [&str; 3] = ["kubectl", "oc", "fleetfix"];

impl HostedCluster {
    /// Reads an object; `subject` says in messages where it comes from.
    pub fn read(subject: &str, value: &Value) -> Result<Self, Error> {
        let wrong = |field: &str, what: &str| Error::NotAHostedCluster {
            subject: subject.to_owned(),
            field: field.to_owned(),
            what: what.to_owned(),
        };
        let text = |path: &str| value.pointer(path).and_then(Value::as_str);
        let needed = |path: &str| {
            let found = text(path).filter(|text| !text.is_empty());
            found.map(str::to_owned).ok_or_else(|| {
                wrong(path.trim_start_matches('/').replace('/', ".").as_str(), "text is expected")
            })
        };
        if text("/kind") != Some("HostedCluster")
            || !text("/apiVersion").is_some_and(|v| v.starts_with("hypershift.openshift.io/"))
        {
            return Err(wrong("kind", "a HostedCluster of hypershift.openshift.io is expected"));
        }
        let kind = Value::from(needed("/spec/platform/type")?);
        let platform = serde_json::from_value(kind)
            .map_err(|_| wrong("spec.platform.type", "is no platform that is known"))?;
        let annotations = match value.pointer("/metadata/annotations") {
            None | Some(Value::Null) => None,
            Some(Value::Object(map)) => {
                let mut annotations = BTreeMap::new();
                for (name, value) in map {
                    let Some(value) = value.as_str() else {
                        return Err(wrong("metadata.annotations", "texts are expected"));
                    };
                    annotations.insert(name.clone(), value.to_owned());
                }
                Some(annotations)
            }
            Some(_) => return Err(wrong("metadata.annotations", "a mapping is expected")),
        };
        let control_plane_release = text("/spec/controlPlaneRelease/image").map(str::to_owned);
        let history = if control_plane_release.is_some() {
            "/status/controlPlaneVersion/history/0"
        } else {
            "/status/version/history/0"
        };
        let newest = value.pointer(history).map(|entry| {
            let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
            (text("version").to_owned(), text("state").to_owned(), text("image").to_owned())
        });
        Ok(Self {
            name: format!("{}/{}", needed("/metadata/namespace")?, needed("/metadata/name")?),
            platform,
            release: needed("/spec/release/image")?,
            control_plane_release,
            newest,
            annotations,
            owners: owners(value),
            managers: managers(value),
            paused_until: text("/spec/pausedUntil").filter(|t| !t.is_empty()).map(str::to_owned),
        })
    }

    /// Namespace and name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Platform.
    pub const fn platform(&self) -> HostedPlatform {
        self.platform
    }

    /// `spec.release.image`.
    pub fn release(&self) -> &str {
        &self.release
    }

    /// `spec.controlPlaneRelease.image`.
    pub fn control_plane_release(&self) -> Option<&str> {
        self.control_plane_release.as_deref()
    }

    /// An annotation.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.annotations.as_ref()?.get(name).map(String::as_str)
    }

    /// True if there are any annotations.
    pub(super) const fn has_annotations(&self) -> bool {
        self.annotations.is_some()
    }

    pub(super) fn paused_until(&self) -> Option<&str> {
        self.paused_until.as_deref()
    }

    /// The version that the control plane is on: what its status says of the release that it is asked
    /// to run. While it is on its way from one to another there is none; the error says why.
    pub fn version(&self) -> Result<Version, String> {
        let wanted = self.control_plane_release.as_ref().unwrap_or(&self.release);
        let Some((version, state, image)) = &self.newest else {
            return Err("its status does not say which version it runs".to_owned());
        };
        if image != wanted {
            return Err(format!(
                "it is asked to run {wanted}, and its status is about {image} [wait for it]"
            ));
        }
        if state != "Completed" {
            return Err(format!(
                "its update to {version} is `{state}` [wait until it is Completed]"
            ));
        }
        version.parse().map_err(|e: fleetfix_model::version::NotAVersion| e.to_string())
    }

    /// Who else writes the object, or the annotation.
    pub(super) fn owner(&self, annotation: Option<&str>) -> Option<String> {
        if let Some(owner) = self.owners.first() {
            return Some(owner.clone());
        }
        let manager = self.managers.iter().find(|(_, key)| Some(key.as_str()) == annotation);
        manager.map(|(manager, _)| format!("`{manager}`"))
    }
}

fn owners(value: &Value) -> Vec<String> {
    let owners = value.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    let owners = owners.map_or(&[][..], Vec::as_slice).iter();
    let text = |owner: &Value, name: &str| {
        owner.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    owners.map(|owner| format!("{} {}", text(owner, "kind"), text(owner, "name"))).collect()
}

/// Annotations that programs manage (Kubernetes, "Server-Side Apply", field management).
fn managers(value: &Value) -> Vec<(String, String)> {
    let entries = value.pointer("/metadata/managedFields").and_then(Value::as_array);
    let mut managers = Vec::new();
    for entry in entries.map_or(&[][..], Vec::as_slice) {
        let manager = entry.get("manager").and_then(Value::as_str).unwrap_or_default();
        let of_people = PEOPLE.iter().any(|tool| {
            manager == *tool || manager.strip_prefix(tool).is_some_and(|rest| rest.starts_with('-'))
        });
        let fields = entry.pointer("/fieldsV1/f:metadata/f:annotations").and_then(Value::as_object);
        if let Some(fields) = fields.filter(|_| !of_people) {
            let names = fields.keys().filter_map(|name| name.strip_prefix("f:"));
            managers.extend(names.map(|name| (manager.to_owned(), name.to_owned())));
        }
    }
    managers
}
