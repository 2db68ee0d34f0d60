//! The real program end to end: a lab of two namespaces, the daemon as a child process, the
//! command line, and traffic through sockets.

mod binary;
mod bottleneck;
mod command_line;
mod daemon;
mod flood;
mod lab;
mod meter;
mod other_program;
mod policies;
mod terminal;
mod waiting;

pub use binary::{copy_for_everybody, stormbolt};
pub use bottleneck::{Bottleneck, ECHO_PORT, FAR};
pub use command_line::{Finished, run};
pub use daemon::Daemon;
pub use flood::FloodThread;
pub use lab::{Family, HOST, Lab, SENDERS};
pub use meter::{Reading, assert_rate_is_held};
pub use other_program::{LoadedAs, OtherProgram, SeenFrames};
pub use policies::{policy, policy_file, policy_with};
pub use terminal::Terminal;
pub use waiting::{until, until_some};
