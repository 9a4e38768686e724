//! Media types and predicate types, each with the specification it comes from.

/// OCI image manifest (image-spec v1.1, media-types.md).
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// OCI image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// OCI image configuration.
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// OCI layer, plain tar.
pub const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// OCI layer, gzip.
pub const OCI_LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// OCI layer, zstd.
pub const OCI_LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
/// The config of an artifact that has none: the two bytes `{}` (image-spec v1.1, manifest.md,
/// "Guidance for an Empty Descriptor").
pub const OCI_EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// Docker image manifest (distribution, Image Manifest Version 2, Schema 2).
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker manifest list.
pub const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Docker image configuration.
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
/// Docker layer, gzip.
pub const DOCKER_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
/// Docker layer, plain tar.
pub const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";

/// Artifact type of a fix bundle, and media type of its first layer.
pub const FIX_BUNDLE: &str = "application/vnd.fleetfix.bundle.v1+json";
/// The fix request's canonical bytes, a layer of the bundle.
pub const FIX_REQUEST: &str = "application/vnd.fleetfix.request.v1+json";
/// The fix plan's canonical bytes, a layer of the bundle.
pub const FIX_PLAN: &str = "application/vnd.fleetfix.plan.v1+json";

/// Artifact type of one state of a TUF repository.
pub const TUF_REPOSITORY: &str = "application/vnd.fleetfix.tuf.v1+json";
/// A TUF role file; its file name stands in the annotation [`TUF_FILENAME`] (docker/attest and
/// go-tuf-mirror, `application/vnd.tuf.metadata+json`).
pub const TUF_METADATA: &str = "application/vnd.tuf.metadata+json";
/// A TUF target file.
pub const TUF_TARGET: &str = "application/vnd.tuf.target";
/// Annotation of a layer: the file name in a TUF repository on disk.
pub const TUF_FILENAME: &str = "tuf.io/filename";

/// A simple-signing payload, a layer of cosign's `.sig` manifest (cosign `specs/SIGNATURE_SPEC.md`).
pub const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// A DSSE envelope, a layer of cosign's `.att` manifest.
pub const DSSE: &str = "application/vnd.dsse.envelope.v1+json";
/// Payload type of an in-toto statement in a DSSE envelope (in-toto attestation v1, envelope.md).
pub const IN_TOTO: &str = "application/vnd.in-toto+json";
/// `_type` of an in-toto statement (in-toto attestation v1, statement.md).
pub const STATEMENT: &str = "https://in-toto.io/Statement/v1";

/// Predicate type of an approval, see [`crate::document::Approval`].
pub const APPROVAL_PREDICATE: &str = "https://fleetfix.openshift.io/approval/v1";
/// What the types of our own predicates start with.
pub const OUR_PREDICATES: &str = "https://fleetfix.openshift.io/";
/// Predicate type of what a patched image holds, see [`crate::document::Fix`].
pub const FIX_PREDICATE: &str = "https://fleetfix.openshift.io/fix/v1";
/// Predicate type of a `CycloneDX` bill of materials (in-toto attestation, predicates/cyclonedx.md).
pub const SBOM_PREDICATE: &str = "https://cyclonedx.org/bom";
/// Property of our bills of materials, under `metadata.properties`: the digest of the plan.
/// `CycloneDX` has no field for it.
pub const SBOM_PLAN: &str = "fleetfix.openshift.io/plan";
/// Predicate type of SLSA provenance v1 (slsa.dev/spec/v1.0/provenance).
pub const PROVENANCE_PREDICATE: &str = "https://slsa.dev/provenance/v1";

/// `org.opencontainers.image.base.name` (image-spec v1.1, annotations.md).
pub const BASE_NAME: &str = "org.opencontainers.image.base.name";
/// `org.opencontainers.image.base.digest`.
pub const BASE_DIGEST: &str = "org.opencontainers.image.base.digest";
/// `org.opencontainers.image.revision`.
pub const REVISION: &str = "org.opencontainers.image.revision";
/// `org.opencontainers.image.ref.name`: the tag in a layout's `index.json` (image-spec v1.1,
/// image-layout.md).
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// Label that HyperShift's own override check reads (`hack/verify-pr-in-image.sh`).
pub const VCS_REF: &str = "vcs-ref";
/// Prefix of the labels that HyperShift reads as capabilities of a control plane operator image
/// (`hypershift-operator/controllers/hostedcluster/hostedcluster_controller.go`).
pub const HYPERSHIFT_LABELS: &str = "io.openshift.hypershift.";
