//! Sets: lists, texts, files, limits.

use std::path::Path;

use stormbolt_control::policy::{MAX_SET_PREFIXES, MAX_SETS_PREFIXES};

use super::{around, found, one};
use crate::config::{LoadError, Loaded, PolicyError, load, parse, render, to_toml};

/// The policy around `extra` in a folder with this file.
fn load_beside(file: &str, content: impl AsRef<[u8]>, extra: &str) -> Result<Loaded, PolicyError> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(file), content).unwrap();
    let path = folder.path().join("policy.toml");
    std::fs::write(&path, around(extra)).unwrap();
    match load(&path) {
        Ok((loaded, _)) => Ok(loaded),
        Err(LoadError::Policy(error)) => Err(error),
        Err(error) => panic!("{error}"),
    }
}

/// The prefixes of a policy's only set.
fn prefixes(loaded: &Loaded) -> Vec<String> {
    let [set] = loaded.policy.sets.as_slice() else {
        panic!("one set")
    };
    set.prefixes.iter().map(ToString::to_string).collect()
}

const RULE: &str = "[[rule]]\nsrc = \"@a\"\naction = \"drop\"\n";

/// Lines with so many different addresses.
fn lines(count: usize) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    for number in 0..u32::try_from(count).unwrap() {
        let [a, b, c, d] = number.to_be_bytes();
        writeln!(text, "{a}.{b}.{c}.{d}").unwrap();
    }
    text
}

#[test]
fn a_text_has_a_prefix_a_line_and_faults_in_it_have_their_places() {
    let text = "[set.a]\nprefixes = '''\n  10.0.0.0/8   # private\n\n# all\n::1\r\n10.0.0.0/8'''\n";
    let loaded = parse("p", &around(&format!("{text}{RULE}"))).unwrap();
    assert!(loaded.warnings.is_empty());
    assert_eq!(prefixes(&loaded), ["10.0.0.0/8", "::1/128"]);
    for quotes in ["'''", "\"\"\""] {
        let text =
            format!("[set.a]\nprefixes = {quotes}\n::1\n  10.0.0.0/33 # x\n{quotes}\n{RULE}");
        assert_eq!(
            one(&text),
            "11:3: error: `10.0.0.0/33` is not an address or a prefix; `33` is not a prefix length \
             from 0 to 32 [10.0.0.0/33]"
        );
    }
    let escaped = format!("[set.a]\nprefixes = \"::1\\nx\"\n{RULE}");
    assert!(
        one(&escaped).starts_with("9:12: error: `x` is not"),
        "{}",
        one(&escaped)
    );
}

#[test]
fn a_file_and_a_list_are_joined() {
    let file = "# from the registry\n192.0.2.0/24\n\n2001:db8::/32 # documentation\r\n10.0.0.0/8";
    let extra =
        format!("[set.a]\nprefixes = [\"10.0.0.0/8\", \"11.0.0.0/8\"]\nfile = \"a.txt\"\n{RULE}");
    let loaded = load_beside("a.txt", file, &extra).unwrap();
    assert!(loaded.warnings.is_empty());
    let expected = ["10.0.0.0/8", "11.0.0.0/8", "192.0.2.0/24", "2001:db8::/32"];
    assert_eq!(prefixes(&loaded), expected);
    assert!(loaded.set_files[0].ends_with("a.txt"));
    // What is exported needs no files.
    assert_eq!(
        parse("p", &to_toml(&loaded.policy)).unwrap().policy,
        loaded.policy
    );
}

#[test]
fn a_fault_in_a_file_is_shown_there() {
    let extra = format!("[set.a]\nfile = \"a.txt\"\n{RULE}");
    let file = "::1\n  10.0.0.0/99 # wrong\n10.0.0.1/8\n";
    let error = load_beside("a.txt", file, &extra).unwrap_err();
    let findings = error.findings();
    let [fault, host_bits] = findings.as_slice() else {
        panic!("{findings:#?}")
    };
    assert!(Path::new(fault.file.as_ref().unwrap()).ends_with("a.txt"));
    assert_eq!(
        (fault.line, fault.column, fault.text.as_str()),
        (2, 3, "10.0.0.0/99")
    );
    assert_eq!(
        fault.help.as_deref(),
        Some("`99` is not a prefix length from 0 to 32")
    );
    assert_eq!((host_bits.line, host_bits.column), (3, 1));
    for colour in [false, true] {
        let text = render(&error, colour);
        assert!(
            text.contains("a.txt:2:3") && text.contains("10.0.0.0/99 # wrong"),
            "{text}"
        );
    }
}

#[test]
fn a_file_that_cannot_be_had_is_named_where_it_is_asked_for() {
    let fault = |file: &str, content: &[u8]| {
        let extra = format!("[set.a]\nfile = \"{file}\"\n{RULE}");
        let error = load_beside("a.txt", content, &extra).unwrap_err();
        let finding = error.findings().swap_remove(0);
        assert_eq!((finding.line, finding.column, finding.file), (9, 8, None));
        finding.message
    };
    let missing = fault("b.txt", b"");
    assert!(
        missing.contains("b.txt`: No such file or directory"),
        "{missing}"
    );
    let binary = fault("a.txt", b"::1\n# \xff");
    assert!(
        binary.contains("not UTF-8 text: first bad byte at 2:3"),
        "{binary}"
    );
}

#[test]
fn a_policy_from_elsewhere_opens_no_files() {
    let text = format!("[set.a]\nfile = \"/etc/hostname\"\n{RULE}");
    let message = one(&text);
    assert!(
        message.starts_with("9:8: error: the file of a set cannot be read here; list the"),
        "{message}"
    );
}

#[test]
fn a_set_needs_prefixes_or_a_file_and_may_be_empty() {
    assert_eq!(
        one(&format!("[set.a]\n{RULE}")),
        "8:6: error: set `a` has neither `prefixes` nor a `file`; write `prefixes = \
         [\"192.0.2.0/24\"]` [a]"
    );
    let empty = "8:6: warning: set `a` is empty; rules that refer to it alone match nothing [a]";
    for value in ["[]", "\"\"", "'''\n# none\n'''"] {
        assert_eq!(one(&format!("[set.a]\nprefixes = {value}\n{RULE}")), empty);
    }
    assert_eq!(
        one(&format!("[set.a]\nprefixes = [7]\n{RULE}")),
        "9:13: error: a prefix cannot be an integer; put it into quotes: \"192.0.2.0/24\" [7]"
    );
}

#[test]
fn warnings_about_host_bits_are_few_and_hide_no_error() {
    use std::fmt::Write;
    let mut file = String::new();
    for number in 1..=1000_u32 {
        writeln!(file, "10.{}.{}.1/24", number >> 8, number & 255).unwrap();
    }
    let extra = format!("[set.a]\nfile = \"a.txt\"\n{RULE}");
    let loaded = load_beside("a.txt", &file, &extra).unwrap();
    let findings = loaded.warnings.findings();
    assert_eq!(findings.len(), 9);
    assert_eq!(
        findings[8].message,
        "992 more prefixes of set `a` have host bits set"
    );
    assert_eq!(findings[8].line, 1000);

    // As many rules warn about as reports keep; the error comes last.
    let warning = "[[rule]]\nsrc = \"10.0.0.1/8\"\naction = \"drop\"\n".repeat(300);
    let findings = found(&around(&format!(
        "{warning}[[rule]]\nsrc = \"x\"\naction = \"drop\"\n"
    )));
    assert_eq!(findings.len(), 200);
    assert!(
        findings
            .iter()
            .any(|finding| finding.contains("error: `x` is not"))
    );
}

#[test]
fn a_set_has_at_most_a_million_prefixes() {
    let extra = format!("[set.a]\nfile = \"a.txt\"\n{RULE}");
    let full = lines(MAX_SET_PREFIXES);
    // Duplicates do not count.
    let loaded = load_beside("a.txt", format!("{full}{full}0.0.0.0\n"), &extra).unwrap();
    assert_eq!(loaded.policy.sets[0].prefixes.len(), MAX_SET_PREFIXES);
    let error = load_beside("a.txt", format!("::1\n{full}{full}"), &extra).unwrap_err();
    assert_eq!(
        error.findings()[0].message,
        "set `a` has more than 1000000 different prefixes"
    );
}

#[test]
fn all_sets_have_at_most_four_million_prefixes() {
    let sets = MAX_SETS_PREFIXES / MAX_SET_PREFIXES;
    let defined = (0..sets).map(|number| format!("[set.s{number}]\nfile = \"a.txt\"\n"));
    let extra = defined.collect::<String>();
    let full = lines(MAX_SET_PREFIXES);
    let loaded = load_beside("a.txt", &full, &extra).unwrap();
    assert_eq!(loaded.policy.sets.len(), sets);
    let more = format!("{extra}[set.last]\nprefixes = \"::1\"\n");
    let error = load_beside("a.txt", &full, &more).unwrap_err();
    let findings = error.findings();
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert_eq!(
        (findings[0].message.as_str(), findings[0].text.as_str()),
        ("the sets have more than 4000000 prefixes together", "last")
    );
}
