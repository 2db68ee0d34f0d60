//! Rule sets like those of real routers and firewalls, made up from a seed, and headers for them.
//!
//! ```text
//! family → parameters ┐
//!               seed → random ┬→ addresses ┬→ generate → filters → format, headers
//!                             ├→ ports ────┘
//!                             └→ prefixes
//! ```
//!
//! The structure is that of `ClassBench` (Taylor and Turner, "`ClassBench`: A Packet Classification
//! Benchmark", IEEE/ACM Transactions on Networking 15(3), 2007), for IPv6 with the prefix lengths of
//! `ClassBench-ng` (Matoušek et al., 2017). Those measured real sets; the tables here are round
//! numbers in their likeness; what is approximated is said in `parameters`.
//!
//! The same seed gives the same output on every platform: there is no floating point here, nothing
//! depends on the order of a hash table, and PCG is value-stable.

mod addresses;
mod family;
mod filter;
mod generate;
mod headers;
mod parameters;
mod ports;
mod prefix;
mod prefixes;
mod random;

pub use family::{Family, IpVersion};
pub use filter::Filter;
pub use generate::filters;
pub use headers::{Header, Pareto, headers, skewed_headers};
pub use prefixes::prefixes;

#[cfg(test)]
mod tests;
