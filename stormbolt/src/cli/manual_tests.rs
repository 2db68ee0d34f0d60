//! What the command line says about itself: completions and manual pages.

use std::fs;

use clap::{Command, CommandFactory};

use super::tests::run;
use super::{Cli, Exit};

/// All commands that people see, as their words joined by `joint`.
fn commands(joint: &str) -> Vec<String> {
    fn walk(command: &Command, joint: &str, found: &mut Vec<String>) {
        found.push(
            command
                .get_bin_name()
                .unwrap_or("stormbolt")
                .replace(' ', joint),
        );
        for subcommand in command.get_subcommands() {
            if !subcommand.is_hide_set() {
                walk(subcommand, joint, found);
            }
        }
    }
    let mut cli = Cli::command();
    cli.build();
    let mut found = Vec::new();
    walk(&cli, joint, &mut found);
    found
}

fn done(arguments: &[&str]) -> String {
    let (exit, text) = run(arguments);
    assert_eq!(exit.unwrap(), Exit::Done);
    text
}

#[test]
fn completions_know_every_command_and_the_values_of_options() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = done(&["completions", shell]);
        for word in Cli::command().get_subcommands().map(Command::get_name) {
            assert!(script.contains(word), "{shell}: {word}");
        }
        assert!(script.contains("--watch") || shell == "fish", "{shell}");
        assert!(script.contains("json"), "{shell}");
    }
}

#[test]
fn every_command_has_a_page_under_its_own_name() {
    let directory = tempfile::tempdir().unwrap();
    let pages = directory.path().join("man1");
    done(&["man", pages.to_str().unwrap()]);

    let mut written: Vec<String> = fs::read_dir(&pages)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    written.sort();
    let mut expected: Vec<String> = commands("-")
        .iter()
        .map(|name| name.to_owned() + ".1")
        .collect();
    expected.sort();
    assert_eq!(written, expected);
    for name in commands("-") {
        let page = fs::read_to_string(pages.join(name.clone() + ".1")).unwrap();
        // The name that `man` and `apropos` go by.
        let line = name.replace('-', "\\-");
        assert!(page.contains(&format!(".SH NAME\n{line} \\- ")), "{page}");
    }
}

#[test]
fn the_page_without_a_directory_is_that_of_the_program() {
    let page = done(&["man"]);
    assert!(page.contains(".TH stormbolt 1"), "{page}");
    assert!(page.contains("Exit codes"), "{page}");
}
