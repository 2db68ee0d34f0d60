//! Histories and policy files after changes, edits by hand and sudden deaths.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

use super::beginning::Beginning;
use super::entry::{Fate, fingerprint};
use super::ledger::{Change, Kept, Ledger};
use super::replace::{Step, UNWATCHED};
use crate::config::edit::Edit;
use crate::config::{self, Finding};

const OLD: &str = "# mine\nversion = 1\n[interface.eth0]\ncapacity = \"1Gbit\"\n[class.bulk]\nweight = 1 # so far\n\
    [default]\nclass = \"bulk\"\n";

/// The same with another weight.
fn weighing(weight: u32) -> String {
    OLD.replace("weight = 1", &format!("weight = {weight}"))
}

fn to_weight(weight: u32) -> Change {
    Change::Edit(Edit::Class {
        name: "bulk".to_owned(),
        keys: vec![("weight".to_owned(), Some(weight.into()))],
    })
}

struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        place.write(OLD);
        place
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("policy.toml")
    }

    fn write(&self, text: &str) {
        fs::write(self.file(), text).unwrap();
    }

    fn read(&self) -> String {
        fs::read_to_string(self.file()).unwrap()
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// A daemon starts: what it would start with.
    fn start(&self) -> (Ledger, Beginning) {
        start(self.folder.path(), UNWATCHED)
    }

    fn ledger(&self) -> Ledger {
        self.start().0
    }

    /// Weight and generation that a daemon starts with.
    fn starts_with(&self) -> (u32, u32) {
        let (_, beginning) = self.start();
        (beginning.policy.classes[0].weight, beginning.generation)
    }
}

fn start(folder: &Path, steps: fn(Step)) -> (Ledger, Beginning) {
    let file = folder.join("policy.toml");
    let mut ledger = Ledger::open_watched(&file, &folder.join("state"), steps);
    assert_eq!(ledger.trouble(), None);
    let beginning = ledger.begin().unwrap();
    assert_eq!(ledger.begun(&beginning, 1), Vec::<String>::new());
    (ledger, beginning)
}

fn keep(ledger: &mut Ledger, weight: u32, change: Change, unconfirmed: bool) -> Vec<Finding> {
    let policy = config::parse("p", &weighing(weight)).unwrap().policy;
    ledger.keep(&Kept {
        generation: ledger.next_generation(),
        policy: &policy,
        change,
        source: "test".to_owned(),
        unix_time_seconds: 2,
        unconfirmed,
    })
}

fn edit(ledger: &mut Ledger, weight: u32) -> Vec<Finding> {
    keep(ledger, weight, to_weight(weight), false)
}

fn whole(ledger: &mut Ledger, weight: u32, unconfirmed: bool) -> Vec<Finding> {
    keep(ledger, weight, Change::Whole(weighing(weight)), unconfirmed)
}

#[test]
fn a_change_is_written_into_the_file_with_its_comments_and_kept_over_a_restart() {
    let place = Place::new();
    let mut ledger = place.ledger();
    assert_eq!(edit(&mut ledger, 5), []);
    assert_eq!(place.read(), weighing(5));
    drop(ledger);
    assert_eq!(place.starts_with(), (5, 2));
    // Nothing new has come into force.
    assert_eq!(place.starts_with(), (5, 2));
    let mut ledger = place.ledger();
    assert_eq!(edit(&mut ledger, 6), []);
    assert_eq!(place.read(), weighing(6));
}

#[test]
fn a_file_that_was_changed_by_hand_is_not_overwritten_and_counts_at_the_next_start() {
    let place = Place::new();
    let mut ledger = place.ledger();
    place.write(&weighing(70));
    for weight in [5, 6] {
        let warnings = edit(&mut ledger, weight);
        assert!(
            warnings[0].message.contains("changed by hand"),
            "{warnings:?}"
        );
    }
    assert_eq!(place.read(), weighing(70));
    assert_eq!(ledger.text(3).unwrap(), weighing(6));
    drop(ledger);
    let (_, beginning) = place.start();
    assert_eq!(beginning.policy.classes[0].weight, 70);
    assert!(
        beginning.warnings[0].contains("rollback 3"),
        "{beginning:?}"
    );
}

#[test]
fn a_file_that_cannot_be_written_does_not_lose_changes() {
    let place = Place::new();
    let mut ledger = place.ledger();
    // Nothing can have the name that the new file is to have first.
    let in_the_way = place.folder.path().join(".policy.toml.new");
    fs::create_dir(&in_the_way).unwrap();
    fs::write(in_the_way.join("x"), "").unwrap();
    for weight in [5, 6] {
        let warnings = edit(&mut ledger, weight);
        assert!(
            warnings[0].message.contains("is not written into"),
            "{warnings:?}"
        );
    }
    assert_eq!(place.read(), OLD);
    drop(ledger);
    assert_eq!(place.starts_with(), (6, 3));
    fs::remove_dir_all(&in_the_way).unwrap();
    let mut ledger = place.ledger();
    assert_eq!(edit(&mut ledger, 7), []);
    assert_eq!(place.read(), weighing(7));
}

#[test]
fn a_file_that_is_not_valid_does_not_take_the_place_of_a_policy_that_was_in_force() {
    let place = Place::new();
    drop(place.ledger());
    place.write("version = 1\n[interface.eth0]\ncapa");
    let (_, beginning) = place.start();
    assert_eq!(
        (beginning.policy.classes[0].weight, beginning.generation),
        (1, 1)
    );
    let warnings = beginning.warnings.join("\n");
    assert!(warnings.contains("policy.toml:3"), "{warnings}");
    fs::remove_file(place.file()).unwrap();
    assert_eq!(place.starts_with(), (1, 1));
    place.write(&weighing(9));
    assert_eq!(place.starts_with(), (9, 2));
}

#[test]
fn an_unconfirmed_policy_is_nothing_that_a_restart_comes_up_with() {
    let place = Place::new();
    let mut ledger = place.ledger();
    // As operators do it: the policy file itself is edited, and then applied.
    place.write(&weighing(5));
    assert_eq!(whole(&mut ledger, 5, true), []);
    assert_eq!(ledger.pending(), Some(2));
    drop(ledger);
    for _ in 0..2 {
        let (ledger, beginning) = place.start();
        assert_eq!(
            (beginning.policy.classes[0].weight, beginning.generation),
            (1, 1)
        );
        assert!(
            beginning.warnings[0].contains("was not confirmed"),
            "{beginning:?}"
        );
        assert_eq!(ledger.entries().0[1].fate, Fate::Unconfirmed);
    }
    assert_eq!(place.read(), weighing(5));
}

#[test]
fn a_confirmed_policy_counts_and_is_written_into_the_file() {
    let place = Place::new();
    let mut ledger = place.ledger();
    assert_eq!(whole(&mut ledger, 5, true), []);
    assert_eq!(place.read(), OLD);
    assert_eq!(ledger.confirm(), []);
    assert_eq!(place.read(), weighing(5));
    drop(ledger);
    assert_eq!(place.starts_with(), (5, 2));
}

#[test]
fn a_file_that_is_changed_while_a_policy_waits_is_not_overwritten() {
    let place = Place::new();
    let mut ledger = place.ledger();
    assert_eq!(whole(&mut ledger, 5, true), []);
    place.write(&weighing(70));
    assert!(ledger.confirm()[0].message.contains("changed by hand"));
    assert_eq!(place.read(), weighing(70));
}

#[test]
fn rollbacks_go_back_step_by_step_and_pass_over_what_was_not_confirmed() {
    let place = Place::new();
    let mut ledger = place.ledger();
    edit(&mut ledger, 2);
    edit(&mut ledger, 3);
    whole(&mut ledger, 99, true);
    let back = |ledger: &mut Ledger, from: u32, weight| {
        assert_eq!(ledger.previous(), Some(from));
        assert_eq!(keep(ledger, weight, Change::Restored(from), false), []);
        assert_eq!(place.read(), weighing(weight));
    };
    keep(&mut ledger, 3, Change::Restored(3), false);
    back(&mut ledger, 2, 2);
    back(&mut ledger, 1, 1);
    assert_eq!(ledger.previous(), None);
    edit(&mut ledger, 8);
    assert_eq!(ledger.previous(), Some(7));
}

#[test]
fn twenty_policies_are_kept_and_their_texts() {
    let place = Place::new();
    let mut ledger = place.ledger();
    for weight in 2..=30 {
        assert_eq!(edit(&mut ledger, weight), []);
    }
    let numbers: Vec<u32> = ledger
        .entries()
        .0
        .iter()
        .map(|entry| entry.generation)
        .collect();
    assert_eq!(numbers, (11..=30).collect::<Vec<_>>());
    assert_eq!(ledger.text(11).unwrap(), weighing(11));
    assert!(ledger.text(10).is_err());
    let files = fs::read_dir(place.state()).unwrap().count();
    assert_eq!(files, 20 + 2);
}

#[test]
fn the_same_policy_again_does_not_push_others_out_of_the_history() {
    let place = Place::new();
    let mut ledger = place.ledger();
    edit(&mut ledger, 2);
    for _ in 0..3 {
        let change = Change::File {
            text: weighing(2),
            whole: true,
        };
        assert_eq!(keep(&mut ledger, 2, change, false), []);
    }
    let numbers: Vec<u32> = ledger
        .entries()
        .0
        .iter()
        .map(|entry| entry.generation)
        .collect();
    assert_eq!(numbers, [1, 5]);
    assert_eq!(ledger.previous(), Some(1));
}

#[test]
fn files_of_sets_are_written_out_in_the_history_and_stay_files_in_the_policy_file() {
    let place = Place::new();
    let with_set = |weight| format!("{}[set.a]\nfile = \"a.txt\"\n", weighing(weight));
    fs::write(place.folder.path().join("a.txt"), "10.0.0.0/8\n").unwrap();
    place.write(&with_set(1));
    let mut ledger = place.ledger();
    let mut policy = config::load(&place.file()).unwrap().0.policy;
    policy.classes[0].weight = 4;
    let warnings = ledger.keep(&Kept {
        generation: 2,
        policy: &policy,
        change: to_weight(4),
        source: "test".to_owned(),
        unix_time_seconds: 2,
        unconfirmed: false,
    });
    assert_eq!(warnings, []);
    assert_eq!(place.read(), with_set(4));
    assert!(ledger.text(2).unwrap().contains("10.0.0.0/8"));
    drop(ledger);
    assert_eq!(place.starts_with(), (4, 2));
    fs::write(place.folder.path().join("a.txt"), "10.0.0.0/9\n").unwrap();
    assert_eq!(place.starts_with(), (4, 3));
}

#[test]
fn a_second_daemon_and_a_damaged_folder_are_told_apart() {
    let place = Place::new();
    let ledger = place.ledger();
    let second = Ledger::open(&place.file(), &place.state());
    assert!(
        second
            .trouble()
            .unwrap()
            .contains("in use by another daemon")
    );
    assert_eq!(second.begin().unwrap().generation, 1);
    drop(ledger);
    fs::write(place.state().join("history.json"), "{").unwrap();
    let damaged = Ledger::open(&place.file(), &place.state());
    let trouble = damaged.trouble().unwrap();
    assert!(
        trouble.contains("history.json") && trouble.contains("move `"),
        "{trouble}"
    );
}

#[test]
fn a_text_that_somebody_changed_in_the_history_is_not_used() {
    let place = Place::new();
    drop(place.ledger());
    fs::write(place.state().join("0000000001.toml"), weighing(9)).unwrap();
    assert!(place.ledger().text(1).is_err());
}

/// Says at which step a child process is to end, and where its files are.
const DIES_AT: &str = "STORMBOLT_TEST_DIES_AT";
const FOLDER: &str = "STORMBOLT_TEST_FOLDER";

static LEFT: AtomicUsize = AtomicUsize::new(usize::MAX);

fn die_at_last(_: Step) {
    if LEFT.fetch_sub(1, Ordering::SeqCst) == 1 {
        // No destructor runs, nothing is flushed.
        std::process::abort();
    }
}

/// The process that is killed. On its own it has nothing to do.
#[test]
fn child_that_changes_a_policy_and_dies() {
    let (Ok(at), Ok(folder)) = (std::env::var(DIES_AT), std::env::var(FOLDER)) else {
        return;
    };
    let (mut ledger, _) = start(Path::new(&folder), die_at_last);
    LEFT.store(at.parse().unwrap(), Ordering::SeqCst);
    assert_eq!(edit(&mut ledger, 5), []);
    assert_eq!(whole(&mut ledger, 6, true), []);
    assert_eq!(ledger.confirm(), []);
}

#[test]
fn death_at_any_write_leaves_the_old_or_the_new_policy_whole() {
    let mut deaths = 0;
    let mut seen = Vec::new();
    loop {
        let place = Place::new();
        drop(place.ledger());
        let status = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "state::tests::child_that_changes_a_policy_and_dies",
            ])
            .env(DIES_AT, (deaths + 1).to_string())
            .env(FOLDER, place.folder.path())
            .output()
            .unwrap()
            .status;
        let file = place.read();
        let whole: Vec<String> = [1, 5, 6].into_iter().map(weighing).collect();
        assert!(whole.contains(&file), "death {deaths}: half a file: {file}");
        let (ledger, beginning) = place.start();
        let weight = beginning.policy.classes[0].weight;
        assert_eq!(
            fingerprint(&ledger.text(beginning.generation).unwrap()),
            fingerprint(&weighing(weight))
        );
        drop(ledger);
        assert_eq!(
            place.starts_with(),
            (weight, beginning.generation),
            "death {deaths}"
        );
        if seen.last() != Some(&weight) {
            seen.push(weight);
        }
        if status.success() {
            break;
        }
        deaths += 1;
    }
    // Never back again, once the new policy is there.
    assert_eq!(seen, [1, 5, 6]);
    assert!(deaths > 30, "only {deaths} steps were seen");
}
