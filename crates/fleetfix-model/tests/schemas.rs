//! The schemas that are checked in are those of the types.

use std::collections::BTreeSet;
use std::path::Path;

use fleetfix_model::schema::schemas;

/// `UPDATE_GOLDENS=1 cargo test -p fleetfix-model --test schemas` writes them.
#[test]
fn checked_in_schemas_are_those_of_the_types() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas");
    let update = std::env::var_os("UPDATE_GOLDENS").is_some_and(|value| !value.is_empty());
    for (name, schema) in schemas() {
        let path = dir.join(name);
        let text = format!("{schema:#}\n");
        if update {
            std::fs::write(&path, &text).unwrap();
        }
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(
            golden, text,
            "schemas/{name} is not the type's: run this test with UPDATE_GOLDENS=1"
        );
    }
    let there: BTreeSet<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let made: BTreeSet<String> = schemas().iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(there, made, "no schema is left behind");
}
