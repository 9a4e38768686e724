//! A place to run the chain in: upstream images, a build place and a fleet, in one registry or in
//! layouts on disk.

use std::path::Path;

use serde_json::Value;

use crate::base::Root;
use crate::binary::Workbench;
use crate::child::Output;
use crate::client::Clients;
use crate::payload::{ORIGIN, Upstream};
use crate::proxy::Proxy;
use crate::registry::{Kind, Registry};
use crate::request;

/// Where everything lies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    /// A registry behind a proxy.
    Registry(Kind),
    /// Layouts on disk.
    Layout,
}

/// Every place.
pub const PLACES: [Place; 4] = [
    Place::Registry(Kind::Docker),
    Place::Registry(Kind::Distribution),
    Place::Registry(Kind::Olareg),
    Place::Layout,
];

/// The place with its images, and an engineer's directory with the request.
#[derive(Debug)]
pub struct Lab {
    /// Where our programs run: `request.yaml` and the files that it names.
    pub bench: Workbench,
    /// Other people's programs.
    pub clients: Clients,
    /// What is upstream.
    pub upstream: Upstream,
    place: String,
    // Dropped in this order: the proxy before the registry.
    proxy: Option<Proxy>,
    registry: Option<Registry>,
}

impl Lab {
    /// Writes upstream's images, without a root file system, there and a request into the workbench.
    pub fn new(place: Place) -> Self {
        Self::over(place, Root::Empty)
    }

    /// The same with component images over a Debian root.
    pub fn with_debian(place: Place) -> Self {
        Self::over(place, Root::Debian)
    }

    fn over(place: Place, root: Root) -> Self {
        let (bench, clients) = (Workbench::new(), Clients::new());
        request::write(bench.dir());
        let registry = match place {
            Place::Registry(kind) => Some(Registry::start(kind)),
            Place::Layout => None,
        };
        let images = bench.path("images");
        let upstream = Upstream::write(&images.join("mirror"), root);
        let proxy = registry.as_ref().map(|registry| {
            upstream.push(&clients, &registry.repository("mirror"));
            Proxy::start(registry.address())
        });
        let place = match &proxy {
            Some(proxy) => proxy.host(),
            None => format!("oci:{}", images.display()),
        };
        Self { bench, clients, upstream, place, proxy, registry }
    }

    /// A repository or prefix in the place: `127.0.0.1:PORT/build` or `oci:DIR/build`.
    pub fn at(&self, path: &str) -> String {
        format!("{}/{path}", self.place)
    }

    /// `--mirror` from the public names to the place.
    pub fn mirror(&self) -> String {
        format!("--mirror={ORIGIN}={}", self.at("mirror"))
    }

    /// The proxy in front of the registry.
    ///
    /// # Panics
    /// If the place is a layout.
    pub fn proxy(&self) -> &Proxy {
        self.proxy.as_ref().expect("the place is a registry")
    }

    /// The registry.
    ///
    /// # Panics
    /// If the place is a layout.
    pub fn registry(&self) -> &Registry {
        self.registry.as_ref().expect("the place is a registry")
    }

    /// Another registry behind the same proxy: the same names, other content.
    pub fn replace_registry(&mut self, registry: Registry) {
        self.proxy().forward_to(registry.address());
        self.registry = Some(registry);
    }

    /// True if the place is a registry.
    pub fn has_registry(&self) -> bool {
        self.registry.is_some()
    }

    /// `fleetfix-plan`: writes `plan.json`.
    pub fn plan(&self) -> Output {
        let args = ["--request", "request.yaml", "--plan", "plan.json"];
        self.bench.run("fleetfix-plan", [&args[..], &[&self.mirror()]].concat())
    }

    /// `fleetfix-patch --plan`: writes to the build place.
    pub fn patch(&self) -> Output {
        let to = self.at("build");
        let args = ["--plan", "plan.json", "--files", ".", "--to", &to];
        self.bench.run("fleetfix-patch", [&args[..], &[&self.mirror()]].concat())
    }

    /// A JSON file of the workbench.
    ///
    /// # Panics
    /// If it is not there.
    pub fn json(&self, path: impl AsRef<Path>) -> Value {
        let path = self.bench.dir().join(path);
        let bytes =
            std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_slice(&bytes).expect("JSON")
    }
}
