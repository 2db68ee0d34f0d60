//! What holds for whole files: messages, examples, round trips, and no panics.

mod adaptive;
mod class_parts;
mod documents;
mod groups;
mod management;
mod messages;
mod negation;
mod properties;
mod sets;
mod table_wishes;
mod values;

/// A valid policy around `extra`, which starts at line 8.
fn around(extra: &str) -> String {
    let base = "version = 1\n[interface.eth0]\ncapacity = \"1Gbit\"\n[class.bulk]\n[default]\n\
                class = \"bulk\"\n\n";
    format!("{base}{extra}")
}

/// `line:column: severity: message; help [offending text]` of everything that was found.
fn found(text: &str) -> Vec<String> {
    let report = match super::parse("policy.toml", text) {
        Ok(loaded) => loaded.warnings,
        Err(error) => error.report().clone(),
    };
    let findings = report.findings().into_iter().map(|finding| {
        let severity = match finding.severity {
            super::Severity::Error => "error",
            super::Severity::Warning => "warning",
        };
        let help = finding
            .help
            .map(|help| format!("; {help}"))
            .unwrap_or_default();
        let (line, column) = (finding.line, finding.column);
        format!(
            "{line}:{column}: {severity}: {}{help} [{}]",
            finding.message, finding.text
        )
    });
    findings.collect()
}

/// What is found in `extra`, put behind a valid policy from line 8 on, where it is one thing.
fn one(extra: &str) -> String {
    let found = found(&around(extra));
    assert_eq!(found.len(), 1, "{found:#?}");
    found.into_iter().next().unwrap_or_default()
}
