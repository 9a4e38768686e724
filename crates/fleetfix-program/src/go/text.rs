//! The text about modules and settings (runtime/debug/mod.go, `ParseBuildInfo`).

use super::quote::{quoted_prefix, unquote};
use super::{GoBuild, Module};

/// Reads lines of a word, a tab and what the word says. Unknown words are passed over, as in Go;
/// a setting that stands twice is refused: readers would differ.
pub(super) fn parse(text: &str) -> Result<GoBuild, &'static str> {
    let mut build = GoBuild::default();
    for line in text.split('\n') {
        let Some((word, rest)) = line.split_once('\t') else { continue };
        match word {
            "path" => rest.clone_into(&mut build.package),
            "mod" => build.module = Some(module(rest)?),
            "dep" => {
                module(rest)?;
                build.dependencies += 1;
            }
            "=>" => {
                module(rest)?;
            }
            "build" => {
                let (key, value) = setting(rest)?;
                if build.settings.insert(key, value).is_some() {
                    return Err("has a setting twice");
                }
            }
            _ => {}
        }
    }
    Ok(build)
}

fn module(line: &str) -> Result<Module, &'static str> {
    let mut columns = line.split('\t');
    let (path, version, _sum) = (columns.next(), columns.next(), columns.next());
    match (path, version, columns.next()) {
        (Some(path), Some(version), None) => {
            Ok(Module { path: path.to_owned(), version: version.to_owned() })
        }
        _ => Err("has a module that is not named by path and version"),
    }
}

fn setting(line: &str) -> Result<(String, String), &'static str> {
    let (key, value) = if line.starts_with(['"', '`']) {
        let (key, rest) = quoted_prefix(line).ok_or("has a setting with a broken name")?;
        (key, rest.strip_prefix('=').ok_or("has a setting without a value")?)
    } else {
        let (key, value) = line.split_once('=').ok_or("has a setting without a value")?;
        (key.to_owned(), value)
    };
    if key.is_empty() {
        return Err("has a setting without a name");
    }
    let value = if value.starts_with(['"', '`']) {
        unquote(value).ok_or("has a setting with a broken value")?
    } else {
        value.to_owned()
    };
    Ok((key, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_go_writes() {
        let text = "path\tk8s.io/kubernetes/cmd/kube-apiserver\n\
                    mod\tk8s.io/kubernetes\t(devel)\t\n\
                    dep\tgithub.com/a/b\tv1.2.3\th1:x=\n\
                    dep\tk8s.io/api\tv0.0.0\n\
                    =>\t./staging/api\t(devel)\t\n\
                    build\t-compiler=gc\n\
                    build\t-ldflags=\"-X 'main.v=a b' -s\\t\\u00e9\"\n\
                    build\t`a key`=`a \\ value`\n\
                    build\tCGO_CFLAGS=\n\
                    build\tvcs.time=2026-01-01T00:00:00Z\n\
                    build\ta=b=c\n\
                    new\tword of the future\n";
        let build = parse(text).unwrap();
        assert_eq!(build.package, "k8s.io/kubernetes/cmd/kube-apiserver");
        let module = Module { path: "k8s.io/kubernetes".into(), version: "(devel)".into() };
        assert_eq!((build.module.clone(), build.dependencies), (Some(module), 2));
        let expected = [
            ("-compiler", "gc"),
            ("-ldflags", "-X 'main.v=a b' -s\té"),
            ("CGO_CFLAGS", ""),
            ("a", "b=c"),
            ("a key", "a \\ value"),
            ("vcs.time", "2026-01-01T00:00:00Z"),
        ];
        let settings: Vec<_> =
            build.settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(settings, expected);
        assert_eq!(parse("").unwrap(), GoBuild::default());
    }

    #[test]
    fn broken_lines() {
        for text in [
            "mod\ta",
            "mod\ta\tb\tc\td",
            "dep\t",
            "=>\tx",
            "build\t",
            "build\tkey",
            "build\t=value",
            "build\t\"key=value",
            "build\t\"key\"value",
            "build\tkey=\"value",
            "build\tkey=\"value\"more",
            "build\ta=1\nbuild\ta=1",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
