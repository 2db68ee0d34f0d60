//! Why a packet meets the rule that it meets: which fields of the rules before it failed.
//!
//! [`why`] reads the rules one after the other, field by field, and shares no code with the compiled
//! trees that packets are looked up in. So it is also a check of those: what the loaded program says
//! about a packet must be [`Why::first_match`].

mod compare;
mod field;
mod packet;
mod reasons;
#[cfg(test)]
mod tests;

pub use compare::Comparison;
pub use field::{Field, Fields};
pub use packet::Packet;
pub use reasons::{NearMiss, Why, why};
