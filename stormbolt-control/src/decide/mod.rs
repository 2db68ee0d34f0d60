//! Decide: which rate every class gets and where every slot goes.

mod adaptive;
mod borrowing;
mod damping;
mod encode;
mod failsafe;
mod law;
mod level;
mod placement;
mod rates;
mod sources;
mod treatment;
mod tree;

pub use adaptive::{Adaptation, Change, Reason};
pub use borrowing::{Borrowing, interface_rate};
pub use damping::next_rates;
pub use encode::class_rate;
pub use failsafe::FailsafeRates;
pub use law::UpdateLaw;
pub use level::{Level, Limit, Parts, Turns};
pub use placement::{Balancer, MAX_MOVES, Move, evict, round_robin};
pub use rates::Allotment;
pub use sources::SourceLimits;
pub use treatment::write_treatment;
pub use tree::{Tree, least_demands};
