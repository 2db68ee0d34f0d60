//! The programs that others go over into by tail calls, by their place in a program array.

/// Goes through the rules and on to the end, for the packet in the lanes.
pub const RULES: u32 = 0;
/// Says what the rules say, likewise.
pub const EXPLAIN_RULES: u32 = 1;
/// Shows the frame to user space, and ends with its verdict.
pub const SAMPLE: u32 = 2;
/// Polices what this CPU's lease does not simply pay for, and goes on to the end.
pub const UNPAID: u32 = 3;
/// How many there are.
pub const PROGRAMS: u32 = 4;
