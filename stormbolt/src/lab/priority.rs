//! Where the threads run that stand for other machines and for interrupts.

use std::io;

use nix::errno::Errno;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

/// Nice value of threads that go first among ordinary ones.
const FIRST: libc::c_int = -20;
/// Nice value of threads that have nine times the share of ordinary ones.
const PREFERRED: libc::c_int = -10;

/// Keeps the calling thread, and all threads and children that it starts from now on, to `cpus`.
///
/// # Errors
///
/// When none of the CPUs is there.
pub fn keep_to(cpus: impl IntoIterator<Item = usize>) -> Result<(), Errno> {
    let mut set = CpuSet::new();
    for cpu in cpus {
        set.set(cpu)?;
    }
    sched_setaffinity(Pid::from_raw(0), &set)
}

/// Gives the calling thread nine times the share of its CPU that ordinary threads have.
///
/// # Errors
///
/// Without `CAP_SYS_NICE`.
pub fn prefer() -> io::Result<()> {
    // SAFETY: the call takes numbers only; 0 stands for the calling thread.
    let result = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, PREFERRED) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Lets the calling thread, and all threads that it starts from now on, go first among the ordinary threads of
/// their CPU.
///
/// # Errors
///
/// Without `CAP_SYS_NICE`.
pub fn go_first() -> io::Result<()> {
    // Zero stands for the calling thread.
    put_first(Pid::from_raw(0))
}

/// Lets the calling thread run whenever it wants to, before all ordinary threads of its CPU: for one that does
/// little, and that now. Threads that it starts are ordinary ones.
///
/// # Errors
///
/// Without `CAP_SYS_NICE`.
pub fn run_at_once() -> io::Result<()> {
    schedule_by(libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, 1)
}

/// Lets the calling thread run only while no other one wants its CPU.
///
/// # Errors
///
/// The kernel refuses.
pub fn run_when_idle() -> io::Result<()> {
    schedule_by(libc::SCHED_IDLE, 0)
}

/// Has the calling thread scheduled by a policy.
fn schedule_by(policy: libc::c_int, sched_priority: libc::c_int) -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority };
    // SAFETY: the call reads `parameters`, which lives on, and numbers; 0 stands for the calling thread.
    let result = unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Lets a thread go first among the ordinary threads of its CPU, much as an interrupt's work does.
/// Real-time scheduling would be nearer to that, but would starve the kernel's own threads.
pub(super) fn put_first(thread: Pid) -> io::Result<()> {
    let thread = libc::id_t::try_from(thread.as_raw()).map_err(io::Error::other)?;
    // SAFETY: the call takes numbers only.
    let result = unsafe { libc::setpriority(libc::PRIO_PROCESS, thread, FIRST) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
