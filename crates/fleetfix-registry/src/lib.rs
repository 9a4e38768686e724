//! One store interface over registries and OCI layouts: pull, push, mount, copy, attach, credentials.
