//! A plan's images, from bases in layouts.

use std::path::Path;

use fleetfix_model::{Class, Classify, Digest, media};
use fleetfix_oci::manifest::Manifest;
use serde_json::Value;

use crate::place::{COMMIT, DOCKER, LABEL, OCI, Place, SINGLE, manifests, now, run, unpack};

fn digest(value: &Value) -> Digest {
    value.as_str().unwrap().parse().unwrap()
}

#[test]
fn only_the_declared_files_change_on_every_architecture() {
    let place = Place::new();
    let bases =
        vec![place.base("a", OCI, ""), place.base("b", DOCKER, ""), place.base("c", SINGLE, "")];
    let plan = place.plan(bases);
    let report = run(place.with_plan(&plan)).unwrap();
    let built = place.built();
    for (base, image) in plan.bases.iter().zip(report["images"].as_array().unwrap()) {
        assert_eq!(digest(&image["base"]), base.digest);
        let tag = plan.image_tag(base.digest).unwrap();
        assert_eq!(image["tag"], tag.as_str());
        let top = built.resolve(&tag).unwrap().unwrap();
        assert_eq!(digest(&image["digest"]), top.digest);
        assert_eq!(
            (image["mediaType"].as_str(), image["size"].as_u64()),
            (Some(base.media_type.as_str()), Some(top.size))
        );
        assert_eq!(image["reference"], format!("oci:{}@{}", built.dir().display(), top.digest));

        let name = base.repository.to_string().rsplit('/').next().unwrap().to_owned();
        let source = place.layout(&format!("base/{name}"));
        let (old, new) = (manifests(&source, base.digest), manifests(&built, top.digest));
        assert_eq!((old.len(), new.len()), (base.platforms.len(), base.platforms.len()));
        for ((old, new), (planned, done)) in old
            .iter()
            .zip(&new)
            .zip(base.platforms.iter().zip(image["platforms"].as_array().unwrap()))
        {
            assert_eq!(done["platform"], planned.platform.to_string());
            assert_eq!(digest(&done["digest"]), new.digest());
            let mut expected = unpack(&source, old);
            let app = expected.get_mut(Path::new("usr/bin/app")).unwrap();
            app.content = format!("new {}", planned.platform.architecture).into_bytes();
            app.mtime = 0;
            assert_eq!((app.mode, app.owner, app.xattrs.len()), (0o4751, (1001, 0), 1));
            expected.remove(Path::new("usr/bin/old")).unwrap();
            assert_eq!(unpack(&built, new), expected, "{name} {}", planned.platform);
        }
    }
}

#[test]
fn lineage_labels_and_history() {
    let place = Place::new();
    let plan = place.plan(vec![place.base("a", OCI, "")]);
    run(place.with_plan(&plan)).unwrap();
    let built = place.built();
    let base = &plan.bases[0];
    let top = built.resolve(&plan.image_tag(base.digest).unwrap()).unwrap().unwrap();
    let index = Manifest::parse(None, &built.read_blob(top.digest, 1 << 20).unwrap()).unwrap();
    let annotations = index.annotations().unwrap();
    assert_eq!(annotations[media::BASE_NAME], "quay.io/base/a");
    assert_eq!(annotations[media::BASE_DIGEST], base.digest.to_string());
    assert_eq!(index.children().unwrap().len(), 2, "the attestation was about an image as it was");
    for (manifest, platform) in manifests(&built, top.digest).iter().zip(&base.platforms) {
        assert_eq!(
            manifest.annotations().unwrap()[media::BASE_DIGEST],
            platform.digest.to_string()
        );
        let config = built.read_blob(manifest.config().unwrap().digest, 1 << 20).unwrap();
        let config: Value = serde_json::from_slice(&config).unwrap();
        let labels = &config["config"]["Labels"];
        assert_eq!(
            (&labels["vcs-ref"], &labels[media::REVISION], &labels[LABEL]),
            (&COMMIT.into(), &COMMIT.into(), &"true".into())
        );
        assert_eq!(labels[media::BASE_DIGEST], platform.digest.to_string());
        assert_eq!(config["history"].as_array().unwrap().len(), 3);
        assert_eq!(config["config"]["OnBuild"], Value::Null);
    }
}

#[test]
fn one_layer_for_many_bases_and_nothing_the_second_time() {
    let place = Place::new();
    let bases = (0..3).map(|n| place.base("a", OCI, &n.to_string())).collect();
    let plan = place.plan(bases);
    let report = run(place.with_plan(&plan)).unwrap();
    let mut layers: Vec<Digest> = Vec::new();
    for image in report["images"].as_array().unwrap() {
        for manifest in manifests(&place.built(), digest(&image["digest"])) {
            layers.push(manifest.layers().unwrap().last().unwrap().digest);
        }
    }
    assert_eq!(layers.len(), 6);
    layers.sort();
    layers.dedup();
    assert_eq!(layers.len(), 2, "one for each architecture");

    let before = place.snapshot("build");
    assert_eq!(run(place.with_plan(&plan)).unwrap(), report);
    assert_eq!(place.snapshot("build"), before);
}

#[test]
fn the_same_digests_elsewhere_and_with_other_modes() {
    let build = |mode: u32| {
        let place = Place::new();
        let plan = place.plan(vec![place.base("a", OCI, ""), place.base("b", SINGLE, "")]);
        for architecture in ["amd64", "arm64"] {
            let path = place.path().join(format!("files/out/{architecture}/app"));
            std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode))
                .unwrap();
        }
        run(place.with_plan(&plan)).unwrap();
        place.snapshot("build")
    };
    assert_eq!(build(0o600), build(0o777));
}

#[test]
fn what_is_there_is_mended() {
    let place = Place::new();
    let plan = place.plan(vec![place.base("a", OCI, "")]);
    run(place.with_plan(&plan)).unwrap();
    let good = place.snapshot("build");
    let mut refused = 0;
    for (path, bytes) in good.iter().filter(|(path, _)| path.starts_with("build/hypershift/blobs"))
    {
        let path = place.path().join(path);
        std::fs::write(&path, &bytes[1..]).unwrap();
        if run(place.with_plan(&plan)).is_err() {
            // The tag's own manifest: what a tag names is never overwritten.
            std::fs::write(&path, bytes).unwrap();
            refused += 1;
        }
        assert_eq!(place.snapshot("build"), good, "{}", path.display());
    }
    assert_eq!(refused, 1);
}

#[test]
fn a_base_beside_its_patched_images_is_not_copied() {
    let place = Place::new();
    let base = place.base("hypershift", OCI, "");
    let plan = place.plan(vec![base.clone()]);
    let mut args = place.with_plan(&plan);
    args.to = Some(format!("oci:{}/base", place.path().display()).parse().unwrap());
    run(args).unwrap();
    let layout = place.layout("base/hypershift");
    assert_eq!(layout.tags().unwrap().len(), 2);
    let top = layout.resolve(&plan.image_tag(base.digest).unwrap()).unwrap().unwrap();
    assert_eq!(manifests(&layout, top.digest).len(), 2);
}

/// Runs a plan that must fail, and sees that nothing was written.
#[track_caller]
fn fails(place: &Place, plan: &fleetfix_model::document::FixPlan, class: Class, says: &str) {
    let error = run(place.with_plan(plan)).unwrap_err();
    assert_eq!(error.class(), class, "{error}");
    assert!(error.line().contains(says), "{error}");
    assert!(place.snapshot("build").is_empty());
}

#[test]
fn refusals_leave_nothing_behind() {
    let place = Place::new();
    let base = place.base("a", OCI, "");
    let good = place.plan(vec![base.clone()]);
    let but = |change: &dyn Fn(&mut fleetfix_model::document::FixPlan)| {
        let mut plan = good.clone();
        change(&mut plan);
        plan
    };
    let unwaived = but(&|plan| plan.findings[0].waiver = None);
    fails(&place, &unwaived, Class::Refused, "blocked by coverage/4.20.7");
    let over = but(&|plan| plan.findings[0].waiver.as_mut().unwrap().expires = Some(now()));
    fails(&place, &over, Class::Refused, "blocked by coverage/4.20.7");
    let absent = but(&|plan| plan.fixes[0].files[0].path = "/bin/absent".parse().unwrap());
    fails(&place, &absent, Class::Input, "has no `/bin/absent`");
    let through = but(&|plan| plan.fixes[0].files[0].path = "/etc/conf/x".parse().unwrap());
    fails(&place, &through, Class::Input, "leads through `/etc/conf`");
    let directory = but(&|plan| plan.fixes[0].files[0].path = "/usr/bin".parse().unwrap());
    fails(&place, &directory, Class::Input, "is a directory");
    let gone = but(&|plan| plan.fixes[0].remove = vec!["/usr/bin/absent".parse().unwrap()]);
    fails(&place, &gone, Class::Input, "to remove");
    let no_arm = but(&|plan| plan.fixes[0].files[0].contents.truncate(1));
    fails(&place, &no_arm, Class::Refused, "has arm64");
    let fewer = but(&|plan| plan.bases[0].platforms.truncate(1));
    fails(&place, &fewer, Class::Refused, "the plan expects");
    let more = but(&|plan| {
        let mut other = plan.bases[0].platforms[0].clone();
        other.platform = "linux/s390x".parse().unwrap();
        plan.bases[0].platforms.push(other);
        let mut content = plan.fixes[0].files[0].contents[1].clone();
        content.architecture = "s390x".into();
        plan.fixes[0].files[0].contents.push(content);
    });
    fails(&place, &more, Class::Refused, "s390x");
    let family = but(&|plan| plan.bases[0].media_type = media::DOCKER_INDEX.into());
    fails(&place, &family, Class::Refused, "media type");
    let label =
        but(&|plan| plan.bases[0].hypershift_labels.push("io.openshift.hypershift.z".into()));
    fails(&place, &label, Class::Refused, "lacks the label");
    let outside = but(&|plan| plan.fixes[0].files[0].contents[0].from = "../plan.json".into());
    fails(&place, &outside, Class::Input, "not a path below");
    let no_base = but(&|plan| plan.bases[0].digest = Digest::of("another"));
    fails(&place, &no_base, Class::Input, "is not in");
    let image = but(&|plan| plan.fixes[0].image = Some("quay.io/x/y:z".parse().unwrap()));
    fails(&place, &image, Class::Input, "finished image");

    place.file("out/arm64/app", "other bytes");
    fails(&place, &good, Class::Refused, "`/usr/bin/app` has");
    place.file("out/arm64/app", "new arm6X");
    fails(&place, &good, Class::Refused, "has digest");
    std::fs::remove_file(place.path().join("files/out/arm64/app")).unwrap();
    fails(&place, &good, Class::Input, "out/arm64/app");
}

#[test]
fn a_repository_too_long_for_the_component_is_refused() {
    let place = Place::new();
    let plan = place.plan(vec![place.base("a", OCI, "")]);
    let mut args = place.with_plan(&plan);
    args.to = Some(format!("quay.io/{}", "a".repeat(199)).parse().unwrap());
    let error = args.jobs(now()).unwrap_err();
    assert!(matches!(error, fleetfix_patch::Error::NoName { .. }), "{error:?}");
    assert!(error.to_string().contains("/hypershift`"), "{error}");
}

#[test]
fn a_tag_with_other_content_is_refused_before_anything_is_written() {
    let place = Place::new();
    let plan = place.plan(vec![place.base("a", OCI, "")]);
    let built =
        fleetfix_oci::layout::Layout::create(place.path().join("build/hypershift")).unwrap();
    let other = br#"{"schemaVersion":2,"manifests":[]}"#;
    let other = built.put(media::OCI_INDEX, other).unwrap();
    let tag = plan.image_tag(plan.bases[0].digest).unwrap();
    built.set_tag(&tag, &other).unwrap();
    let before = place.snapshot("build");
    let error = run(place.with_plan(&plan)).unwrap_err();
    assert_eq!(error.class(), Class::Refused, "{error}");
    assert_eq!(place.snapshot("build"), before);
}

#[test]
fn a_damaged_base_is_refused() {
    let place = Place::new();
    let base = place.base("a", OCI, "");
    let plan = place.plan(vec![base.clone()]);
    let layout = place.layout("base/a");
    let manifest = &manifests(&layout, base.digest)[0];
    let mut blobs = vec![base.digest, manifest.digest(), manifest.config().unwrap().digest];
    blobs.extend(manifest.layers().unwrap().iter().map(|layer| layer.digest));
    let manifests_and_configuration = blobs[..3].to_vec();
    // What is remembered of a layer is not read again; a layout's documents are not remembered.
    for (blobs, is_warm) in [(blobs, false), (manifests_and_configuration, true)] {
        for digest in blobs {
            if is_warm {
                run(place.with_plan(&plan)).unwrap();
                std::fs::remove_dir_all(place.path().join("build")).unwrap();
            }
            let path = layout.blob_path(digest);
            let good = std::fs::read(&path).unwrap();
            for at in [0, good.len() / 2, good.len() - 1] {
                let mut bad = good.clone();
                bad[at] ^= 1;
                std::fs::write(&path, &bad).unwrap();
                if !is_warm {
                    let _ = std::fs::remove_dir_all(place.path().join("cache"));
                }
                let error = run(place.with_plan(&plan)).unwrap_err();
                assert!(matches!(error.class(), Class::Refused | Class::Input), "{error:?}");
                assert!(place.snapshot("build").is_empty(), "{digest} {at}");
            }
            std::fs::write(&path, &good).unwrap();
        }
    }
    run(place.with_plan(&plan)).unwrap();
}
