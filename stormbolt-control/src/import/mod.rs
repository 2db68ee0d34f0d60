//! Rule sets of other tools as policies: text in, a policy and what could not be translated out.
//!
//! A rule is translated only if it means the same for every packet; what differs in a way that an
//! operator can judge is a note, everything else is left out and reported. `builder` gathers the
//! rules and names, `draft` holds one rule while it is read, and there is one reader a format. What
//! is translated and what is not is written in `docs/import.md`.

mod addresses;
mod builder;
mod classbench;
mod draft;
mod finding;
mod iptables;
mod names;
mod nft;
mod values;

#[cfg(test)]
mod tests;

pub use builder::{Imported, Options};
pub use classbench::classbench;
pub use finding::{Finding, FindingKind};
pub use iptables::iptables;
pub use nft::nft;
