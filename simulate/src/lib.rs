//! Drives the controller over generated and recorded demand, and draws what comes of it.
//!
//! The controller is the real one; the data path is a model (`link.rs`), which docs/simulation.md
//! describes. `cargo xtask simulate` builds and starts this.

mod adaptive;
mod adaptive_chart;
mod chart;
mod demand;
mod figures;
mod link;
mod recorded;
mod report;
mod run;
mod scenario;
mod scenarios;
mod speed;

pub use adaptive::{FollowedLink, LinkSample, PARTS, SETTLED_AFTER, follow_link};
pub use adaptive_chart::{Settled, draw_followed, followed_table};
pub use chart::draw;
pub use demand::Demand;
pub use figures::{ClassFigures, Figures, Rise};
pub use recorded::recorded;
pub use report::tables;
pub use run::{Record, run};
pub use scenario::{SAMPLES_PER_INTERVAL, Scenario};
pub use scenarios::{built_in, names};
pub use speed::tick_cost;
