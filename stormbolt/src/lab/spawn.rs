//! Child processes whose life is tied to the process, not to a thread.

use std::io;
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};

type Job = (Command, Sender<io::Result<Child>>);

/// Spawns `command` from a thread that lives as long as the process.
///
/// The signal that [`super::Namespace::command`] asks for is sent when the spawning *thread* ends;
/// from here, that is when the process ends. The caller still owns the child and reaps it.
///
/// # Errors
///
/// What [`Command::spawn`] answers.
pub fn spawn_for_process_lifetime(command: Command) -> io::Result<Child> {
    static SPAWNER: OnceLock<Sender<Job>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, jobs) = channel::<Job>();
        std::thread::spawn(move || {
            for (mut command, reply) in jobs {
                if let Err(unclaimed) = reply.send(command.spawn()) {
                    // Nobody waits for this child any more.
                    if let Ok(mut child) = unclaimed.0 {
                        drop(child.kill());
                        drop(child.wait());
                    }
                }
            }
        });
        sender
    });
    let gone = |_| io::Error::other("the spawning thread has ended");
    let (reply, result) = channel();
    spawner
        .send((command, reply))
        .map_err(|_| io::Error::other("the spawning thread has ended"))?;
    result.recv().map_err(gone)?
}
