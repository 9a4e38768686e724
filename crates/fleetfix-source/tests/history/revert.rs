//! Commits that are in the history and not in the code.

use fleetfix_model::name::Commit;

use crate::git::Git;

/// What takes `claim` back in the history of what is checked out, by its title.
fn found(git: &Git, claim: &Commit, number: Option<u64>) -> Option<String> {
    let at = git.at("HEAD");
    git.open().reverted(claim, number, &at).unwrap().map(|by| by.title)
}

#[test]
fn a_merge_is_taken_back_brought_back_and_taken_back_again() {
    let mut git = Git::new();
    git.commit("Start");
    let merge = git.merge(7110, "amir/fix", "Fix LDAP");
    git.commit("Something else");
    assert_eq!(found(&git, &merge, Some(7110)), None);

    let message = format!(
        "Revert \"Fix LDAP\"\n\nThis reverts commit {merge}, reversing\nchanges made to x."
    );
    let back = git.merge(7200, "amir/revert", &message);
    assert_eq!(found(&git, &merge, Some(7110)).as_deref(), Some("Revert \"Fix LDAP\""));

    // The merge of the revert is reverted: what the merge brought is there again.
    git.commit(&format!("Reapply \"Fix LDAP\"\n\nThis reverts commit {back}."));
    assert_eq!(found(&git, &merge, Some(7110)), None);
    git.commit("Revert #7110 for good");
    assert_eq!(found(&git, &merge, Some(7110)).as_deref(), Some("Revert #7110 for good"));
    assert_eq!(found(&git, &merge, None), None, "the number is that of another pull request");
}

#[test]
fn what_was_merged_is_taken_back_as_well() {
    let mut git = Git::new();
    git.commit("Start");
    let merge = git.merge(7110, "amir/fix", "Fix LDAP");
    let inner = git.at("HEAD^2");
    git.commit(&format!("Not so\n\nThis reverts commit {}.", &inner.as_str()[..12]));
    assert_eq!(found(&git, &merge, None).as_deref(), Some("Not so"));
    assert_eq!(found(&git, &inner, None).as_deref(), Some("Not so"));
}

/// The revert of main was picked into the release branch, and names the commit of main.
#[test]
fn a_picked_revert_names_what_was_picked() {
    let mut git = Git::new();
    git.commit("Start");
    git.checkout(&["-b", "release-4.20"]);
    git.checkout(&["main"]);
    let on_main = git.commit("Fix LDAP (#7110)");
    git.checkout(&["release-4.20"]);
    let picked = git.commit(&format!("Fix LDAP (#7111)\n\n(cherry picked from commit {on_main})"));
    assert_eq!(found(&git, &picked, Some(7111)), None);
    git.commit(&format!("Revert \"Fix LDAP\"\n\nThis reverts commit {on_main}."));
    assert_eq!(found(&git, &picked, Some(7111)).as_deref(), Some("Revert \"Fix LDAP\""));
}

#[test]
fn reverts_elsewhere_and_nonsense_take_nothing_back() {
    let mut git = Git::new();
    let start = git.commit("Start");
    let fix = git.commit("Fix LDAP");
    git.checkout(&["-b", "elsewhere"]);
    git.commit(&format!("This reverts commit {fix}."));
    git.checkout(&["main"]);
    git.commit(&format!("This reverts commit {}.", "f".repeat(40)));
    git.commit(&format!("This reverts commit {start}."));
    assert_eq!(found(&git, &fix, None), None);
    assert_eq!(git.open().reverted(&fix, None, &"e".repeat(40).parse().unwrap()).unwrap(), None);
}

/// Main's revert was taken back in the release branch, and then picked there once more.
#[test]
fn a_revert_that_is_picked_again_takes_back_again() {
    let mut git = Git::new();
    git.commit("Start");
    let fix = git.commit("Fix LDAP (#7110)");
    let revert = format!("Revert \"Fix LDAP\"\n\nThis reverts commit {fix}.");
    let first = git.commit(&revert);
    git.commit(&format!("Reapply \"Fix LDAP\"\n\nThis reverts commit {first}."));
    assert_eq!(found(&git, &fix, Some(7110)), None);
    let again = revert.replace("LDAP\"", "LDAP\" again");
    let again = git.commit(&format!("{again}\n(cherry picked from commit {first})"));
    assert_eq!(found(&git, &fix, Some(7110)).as_deref(), Some("Revert \"Fix LDAP\" again"));
    git.commit(&format!("Reapply it again\n\nThis reverts commit {again}."));
    assert_eq!(found(&git, &fix, Some(7110)), None);
}

/// By number a revert may name one that comes after it, or one beside it.
#[test]
fn reverts_that_name_each_other() {
    for count in [2, 3, 30] {
        let mut git = Git::new();
        git.commit("Start");
        let fix = git.commit("Fix LDAP (#10)");
        let message = |n: u64| {
            let others = (10..=10 + count).filter(|other| *other != n);
            let others: Vec<String> = others.map(|other| format!("Reverts a/b#{other}")).collect();
            format!("Not so (#{n})\n\n{}", others.join("\n"))
        };
        for n in 11..=10 + count {
            git.commit(&message(n));
        }
        let last = format!("Not so (#{})", 10 + count);
        assert_eq!(found(&git, &fix, Some(10)), Some(last), "{count} after each other");
        let reverts: Vec<String> = (11..=10 + count).map(|n| format!("c{n}")).collect();
        for (branch, n) in reverts.iter().zip(11..) {
            git.checkout(&["-b", branch, fix.as_str()]);
            git.commit(&message(n));
        }
        git.checkout(&["-b", "all", fix.as_str()]);
        let reverts = reverts.iter().map(String::as_str);
        let merge = ["merge", "--quiet", "--no-ff", "--message", "All"];
        git.run(&merge.into_iter().chain(reverts).collect::<Vec<_>>());
        assert!(found(&git, &fix, Some(10)).is_some(), "{count} beside each other");
    }
}

/// What takes `claim` back where the repository is said to be a fork of `openshift/hypershift`.
fn found_in(source: &str, git: &Git, claim: &Commit) -> Option<String> {
    let at = git.at("HEAD");
    let mut repository = git.open();
    repository.is_source(source);
    repository.reverted(claim, Some(7110), &at).unwrap().map(|by| by.title)
}

/// A fork has the merges of where it was made from, and their reverts.
#[test]
fn a_number_of_where_the_source_was_forked_from() {
    let fork = "https://github.com/amir/hypershift";
    let mut git = Git::new();
    git.commit("Start");
    let merge = git.merge(7110, "amir/fix", "Fix LDAP");
    // Theirs, and made from it; nothing of that number of another project.
    git.commit("Revert another (#1)\n\nReverts openshift/other#7110");
    assert_eq!(found_in(fork, &git, &merge), None);
    let title = "OCPBUGS-1: take it back (#7200)";
    git.commit(&format!("{title}\n\nReverts openshift/hypershift#7110"));
    assert_eq!(found_in(fork, &git, &merge).as_deref(), Some(title));
    // Under another name the title that is quoted tells.
    let renamed = "https://github.com/amir/hotfixes";
    assert_eq!(found_in(renamed, &git, &merge), None);
    let quoted = "OCPBUGS-2: Revert \"Fix LDAP\" (#7201)";
    git.commit(&format!("{quoted}\n\nReverts openshift/hypershift#7110"));
    assert_eq!(found_in(renamed, &git, &merge).as_deref(), Some(quoted));

    // Merged into the fork with all that the fork has of its own.
    let mut git = Git::new();
    git.commit("Start");
    git.checkout(&["-b", "fork"]);
    git.commit("Ours");
    git.checkout(&["main"]);
    let merge = git.merge(7110, "amir/fix", "Fix LDAP");
    git.commit(&format!("{title}\n\nReverts openshift/hypershift#7110"));
    git.checkout(&["fork"]);
    git.run(&["merge", "--quiet", "--no-ff", "--message", "Merge branch 'main'", "main"]);
    assert_eq!(found_in(fork, &git, &merge).as_deref(), Some(title));
}

/// The number is taken by both: theirs was taken back, and ours is another pull request.
#[test]
fn a_number_that_source_and_fork_both_have() {
    let mut git = Git::new();
    git.commit("Start");
    git.checkout(&["-b", "fork"]);
    let ours = git.merge(7110, "amir/fix", "Fix LDAP");
    git.checkout(&["main"]);
    git.merge(7110, "bob/other", "Something else");
    git.commit("Revert \"Something else\" (#9)\n\nReverts openshift/hypershift#7110");
    git.checkout(&["fork"]);
    git.run(&["merge", "--quiet", "--no-ff", "--message", "Merge branch 'main'", "main"]);
    assert_eq!(found_in("https://github.com/amir/hypershift", &git, &ours), None);
}

#[test]
fn no_number_is_not_number_0() {
    let mut git = Git::new();
    git.commit("Start");
    let fix = git.commit("Fix LDAP");
    git.commit("Revert #0 \"what is not known\"");
    assert_eq!(found(&git, &fix, None), None);
}
