//! Compiles rules and sets into the trees that the XDP program walks.
//!
//! `rules → items → trees → places`: a rule becomes items, boxes of packets with one prefix per
//! address ([`item`]); long and negated lists of prefixes become classes of addresses
//! ([`membership`]) with a tree of their own ([`set_tree`]). The items of a family are parted into a
//! few groups ([`trees`]) and cut until few enough are left to compare ([`cut`], [`tree`]); parts that
//! are alike are shared. At last every part gets a place in the tables ([`place`]). The structure as
//! the program sees it is described at [`stormbolt_common::classifier`]. Which header values the rules
//! look at at all ([`looks`]) says what flows are remembered by ([`stormbolt_common::flow_cache`]).
//!
//! A [`Compiler`] remembers what it has compiled ([`known`]). When few rules change it finds the parts
//! of the trees that these reach ([`update`]), makes those anew and keeps the others where they are.

mod compiler;
mod condition;
mod cut;
mod error;
mod fields;
mod group;
mod heap;
mod intervals;
mod item;
mod known;
mod looks;
mod membership;
mod node;
mod place;
mod prefix;
mod region;
mod set_tree;
mod side;
mod tree;
mod trees;
mod update;

pub use compiler::{CompiledRules, Compiler, Input, Patient, Progress, Watch};
pub use error::CompileError;
pub use heap::{Extent, Full, Heap};
pub use place::Image;
pub use prefix::covers;

#[cfg(test)]
mod tests;
