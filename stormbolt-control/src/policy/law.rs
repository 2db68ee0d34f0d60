//! The law by which rates are updated.

use serde::{Deserialize, Serialize};

/// How the controller shares out what the guarantees leave. `decide/law.rs` has the laws themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Law {
    /// Priority by priority, by weight inside one.
    #[default]
    MaxMin,
    /// Priority by priority, in equal parts inside one, spare capacity too.
    Strict,
    /// By weight, without regard to priorities.
    Proportional,
}

impl Law {
    /// Every law.
    pub const ALL: [Self; 3] = [Self::MaxMin, Self::Strict, Self::Proportional];

    /// Its name in a policy file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MaxMin => "max-min",
            Self::Strict => "strict",
            Self::Proportional => "proportional",
        }
    }
}
