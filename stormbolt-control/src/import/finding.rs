//! What is said about the lines of a rule set.

/// Something to know about one line of a rule set that was translated.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Number of the line, from 1; 0 for the text as a whole.
    pub line: usize,
    /// Whether the line is missing in the policy.
    pub kind: FindingKind,
    /// The line, without white space around it; empty for the text as a whole.
    pub text: String,
    /// Why it was not translated, or what is different now.
    pub reason: String,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FindingKind {
    /// The policy has nothing for this line.
    Untranslated,
    /// The line was translated, or does not need to be; this is to be known about it.
    Note,
}
