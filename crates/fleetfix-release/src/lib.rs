//! OpenShift release payloads, read without oc.
