//! Decide: which rate every class gets and where every slot goes.

mod borrowing;
mod damping;
mod encode;
mod failsafe;
mod placement;
mod rates;
mod treatment;

pub use borrowing::{Borrowing, interface_rate};
pub use damping::next_rates;
pub use encode::class_rate;
pub use failsafe::FailsafeRates;
pub use placement::{Balancer, MAX_MOVES, Move, evict, round_robin};
pub use rates::{Allotment, Claim, allot, starting_room};
pub use treatment::write_treatment;
