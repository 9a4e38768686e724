//! The command line over a small fleet: what is given, what is said, how it ends.

#[cfg(test)]
#[expect(dead_code, reason = "made for attacks, of which there are none here")]
#[path = "../../fleetfix-audit/tests/audit/fleet/mod.rs"]
mod fleet;

#[cfg(test)]
mod command_line {
    use std::path::PathBuf;

    use clap::Parser;
    use fleetfix_model::{Class, Classify};
    use fleetfix_task::{Context, Failure, Outcome, Task};
    use fleetfix_verify::Args;
    use serde_json::json;

    use crate::fleet::{Fleet, NOW, Recipe, time};

    /// A fleet with the files that a user has.
    struct Bench {
        fleet: Fleet,
        root: String,
        policy: String,
    }

    impl Bench {
        async fn new(recipe: &Recipe) -> Self {
            let fleet = Fleet::make(recipe).await;
            let write = |name: &str, bytes: &[u8]| {
                let path = fleet.temp.path().join(name);
                std::fs::write(&path, bytes).unwrap();
                path.display().to_string()
            };
            let root = write("root.json", &fleet.root);
            let policy = write("policy.json", &fleet.policy);
            Self { fleet, root, policy }
        }

        fn at(&self, what: &str) -> String {
            format!("oci:{}/{what}", self.fleet.dir().display())
        }

        fn image(&self) -> String {
            self.at(&format!("etcd:{}", self.fleet.made.tag))
        }

        fn file(&self, name: &str, bytes: &str) -> String {
            let path: PathBuf = self.fleet.temp.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path.display().to_string()
        }
    }

    async fn run(args: &[&str]) -> Result<Outcome, Failure> {
        let args = Args::try_parse_from([&["fleetfix-verify"], args].concat())
            .map_err(|error| Failure::usage(error.kind()))?;
        args.run(&Context::silent(time(NOW))).await
    }

    /// How it ends, and what is said then.
    fn ending(result: Result<Outcome, Failure>) -> (u8, String) {
        match result {
            Ok(outcome) => outcome
                .not_done()
                .map_or((0, String::new()), |(class, why)| (class.exit_code(), why.to_owned())),
            Err(failure) => (failure.class().exit_code(), failure.line()),
        }
    }

    #[tokio::test]
    async fn one_verdict_on_one_line() {
        let bench = Bench::new(&Recipe::default()).await;
        let (root, image) = (bench.root.as_str(), bench.image());
        let (channel, bundle) = (bench.at("channels:current"), bench.at("bundles:fix-1-r1"));
        for (what, reference) in [("channel", &channel), ("bundle", &bundle), ("image", &image)] {
            let outcome = run(&[what, reference, "--root", root]).await.unwrap();
            assert_eq!(outcome.not_done(), None);
            let verdict = outcome.value().unwrap();
            assert_eq!(verdict["outcome"], "verifiedFreshnessUnknown", "{what}");
            assert!(verdict["checks"].as_array().unwrap().len() > 3, "{what}");
        }
        let table = run(&["channel", &channel, "--root", root, "--output", "table"]).await.unwrap();
        assert_eq!(table.value(), None);
    }

    #[tokio::test]
    async fn a_refusal_is_a_verdict_and_says_what_stands_in_the_way() {
        let unsigned = Recipe { signatures: Vec::clear, ..Recipe::default() };
        let bench = Bench::new(&unsigned).await;
        for what in ["channel", "bundle", "image"] {
            let reference = match what {
                "channel" => bench.at("channels:current"),
                "bundle" => bench.at("bundles:fix-1-r1"),
                _ => bench.image(),
            };
            let result = run(&[what, &reference, "--root", &bench.root]).await;
            let outcome = result.as_ref().unwrap().value().unwrap()["outcome"].clone();
            assert_eq!(outcome, "noneFound", "{what}");
            let (code, why) = ending(result);
            assert_eq!(code, 10);
            assert!(why.starts_with("releaseSignature"), "{why}");
        }
    }

    #[tokio::test]
    async fn a_policy_alone() {
        let bench = Bench::new(&Recipe::default()).await;
        let policy = bench.policy.as_str();
        let (image, bundle) = (bench.image(), bench.at("bundles:fix-1-r1"));
        let name = format!("quay.io/fleet/etcd:{}", bench.fleet.made.tag);
        let canary = ["bundle", &bundle, "--policy", policy, "--channel", "canary"];
        for (args, code) in [
            (vec!["image", &image, "--policy", policy, "--docker-reference", &name], 0),
            (vec!["image", &image, "--policy", policy, "--docker-reference", "quay.io/x/y:z"], 10),
            (vec!["image", &image, "--policy", policy], 2),
            (vec!["image", &image, "--policy", policy, "--docker-reference", "quay.io/x/y"], 2),
            (vec!["bundle", &bundle, "--policy", policy, "--channel", "stable"], 0),
            (canary.to_vec(), 10),
            (vec!["bundle", &bundle, "--policy", policy], 2),
        ] {
            let (found, why) = ending(run(&args).await);
            assert_eq!(found, code, "{args:?}: {why}");
        }
        // A policy as people write it.
        let document: serde_json::Value = serde_json::from_slice(&bench.fleet.policy).unwrap();
        let yaml = bench.file("policy.yaml", &format!("# ours\n{document}\n"));
        let result = run(&["image", &image, "--policy", &yaml, "--docker-reference", &name]).await;
        assert_eq!(ending(result), (0, String::new()));
    }

    #[tokio::test]
    async fn nothing_is_read_without_an_anchor() {
        let bench = Bench::new(&Recipe::default()).await;
        let (root, policy) = (bench.root.as_str(), bench.policy.as_str());
        let (channel, image) = (bench.at("channels:current"), bench.image());
        for args in [
            vec!["channel", &channel],
            vec!["image", &image],
            vec!["bundle", &image],
            vec!["channel", &channel, "--policy", policy],
            vec!["image", &image, "--policy", policy, "--root", root],
            vec!["image", &image, "--policy", policy, "--channels", &channel],
            vec!["image", &image, "--root", root, "--docker-reference", "quay.io/a/b:c"],
            vec!["channel", "oci:dir", "--root", root],
            vec!["channel", "tuf:dir", "--root", root],
            vec!["image", "app:v1", "--root", root],
            vec!["channel"],
            vec![],
        ] {
            let (code, why) = ending(run(&args).await);
            assert_eq!(code, Class::Usage.exit_code(), "{args:?}: {why}");
        }
    }

    #[tokio::test]
    async fn bad_input_is_named() {
        let bench = Bench::new(&Recipe::default()).await;
        let (channel, image) = (bench.at("channels:current"), bench.image());
        let (empty, half) = (bench.file("empty", ""), bench.file("half", "{\"signed\":"));
        let absent = bench.fleet.temp.path().join("absent").display().to_string();
        for file in [&empty, &half, &absent] {
            for args in [
                vec!["channel", &channel, "--root", file],
                vec!["image", &image, "--root", file],
                vec!["image", &image, "--policy", file, "--docker-reference", "quay.io/a/b:c"],
            ] {
                let (code, why) = ending(run(&args).await);
                assert_eq!(code, Class::Input.exit_code(), "{args:?}: {why}");
                assert!(why.contains(file.as_str()), "{args:?}: {why}");
            }
        }
        for reference in [bench.at("etcd:other"), bench.at("nowhere:x")] {
            let (code, why) = ending(run(&["image", &reference, "--root", &bench.root]).await);
            assert_eq!(code, Class::Input.exit_code(), "{why}");
            assert!(why.contains(&reference), "{why}");
        }
    }

    #[tokio::test]
    async fn a_state_directory_remembers() {
        let bench = Bench::new(&Recipe::default()).await;
        let state = bench.fleet.temp.path().join("state").display().to_string();
        let channel = bench.at("channels:current");
        let args = ["channel", &channel, "--root", &bench.root, "--state", &state];
        let next = bench.fleet.next_state([].into()).await;
        bench.fleet.put_state(&next).await;
        assert_eq!(ending(run(&args).await).0, 0);
        bench.fleet.put_state(&bench.fleet.state).await;
        let (code, why) = ending(run(&args).await);
        assert_eq!(code, 10);
        assert!(why.contains("version 1"), "{why}");
    }

    #[tokio::test]
    async fn a_channel_apart_from_its_fleet() {
        let bench = Bench::new(&Recipe::default()).await;
        let tuf = bench.fleet.temp.path().join("tuf");
        fleetfix_audit::state::write_dir(&bench.fleet.state, &tuf).unwrap();
        let (place, fleet) = (format!("tuf:{}", tuf.display()), bench.at(""));
        let args = ["channel", &place, "--root", &bench.root, "--from", &fleet];
        assert_eq!(ending(run(&args).await), (0, String::new()));
        let image = bench.image();
        let args = ["image", &image, "--channels", &place, "--root", &bench.root, "--from", &fleet];
        assert_eq!(ending(run(&args).await), (0, String::new()));
    }

    #[tokio::test]
    async fn a_channel_is_chosen_by_name() {
        let bench = Bench::new(&Recipe::default()).await;
        let channel = bench.at("channels:current");
        for (name, code) in [("stable", 0), ("canary", 10)] {
            let args = ["channel", &channel, "--root", &bench.root, "--channel", name];
            assert_eq!(ending(run(&args).await).0, code, "{name}");
        }
        let canary = json!({"apiVersion": "fleetfix.openshift.io/v1alpha1", "kind": "Channel",
            "name": "canary", "fleet": "quay.io/fleet", "bundles": []});
        let target = ("channel.canary.json".to_owned(), Some(crate::fleet::canonical(&canary)));
        bench.fleet.put_state(&bench.fleet.next_state([target].into()).await).await;
        let (code, why) = ending(run(&["channel", &channel, "--root", &bench.root]).await);
        assert_eq!(code, 2);
        assert!(why.contains("`canary`, `stable`"), "{why}");
        let args = ["channel", &channel, "--root", &bench.root, "--channel", "canary"];
        assert_eq!(ending(run(&args).await).0, 0);
    }
}
