//! Commands on a terminal that is read as a person sees it.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZero;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex};

use nix::pty::{Winsize, openpty};
use nix::sys::termios::{Termios, tcgetattr};
use vt100::Parser;

use super::waiting::{until, until_some};

const ROWS: u16 = 40;
const COLUMNS: u16 = 140;

/// A terminal with a command on it. Dropping it ends the command.
pub struct Terminal {
    child: Child,
    keyboard: File,
    /// What the command has as its terminal.
    line: File,
    before: Termios,
    parser: Arc<Mutex<Parser>>,
}

impl Terminal {
    /// Runs a program that has the terminal for its own.
    ///
    /// # Panics
    ///
    /// When it cannot be run.
    pub fn run(program: &std::path::Path, arguments: &[&str]) -> Self {
        let [rows, columns] = [ROWS, COLUMNS].map(|size| NonZero::new(size).unwrap());
        let size = Winsize {
            ws_row: ROWS,
            ws_col: COLUMNS,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let pair = openpty(&size, None).unwrap();
        let (keyboard, line) = (File::from(pair.master), File::from(pair.slave));
        let before = tcgetattr(&line).unwrap();
        // A session of its own, so that `/dev/tty` is this terminal and not the one that runs the tests.
        let mut command = Command::new("setsid");
        command
            .args(["--ctty", "--wait"])
            .arg(program)
            .args(arguments);
        command.env("TERM", "xterm-256color").env_remove("NO_COLOR");
        command.stdin(line.try_clone().unwrap());
        command.stdout(line.try_clone().unwrap());
        command.stderr(line.try_clone().unwrap());
        let child = command.spawn().unwrap();
        let parser = Arc::new(Mutex::new(Parser::new(rows, columns, 0)));
        let (mut screen, seen) = (keyboard.try_clone().unwrap(), Arc::clone(&parser));
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // An error comes when nobody has the terminal any more.
            while let Ok(count @ 1..) = screen.read(&mut bytes) {
                seen.lock().unwrap().process(&bytes[..count]);
            }
        });
        Self {
            child,
            keyboard,
            line,
            before,
            parser,
        }
    }

    /// What stands on the screen.
    pub fn screen(&self) -> String {
        self.parser.lock().unwrap().screen().contents()
    }

    /// Waits until this stands on the screen.
    pub fn until_shown(&self, words: &str) {
        until(&format!("`{words}` is shown"), || {
            self.screen().contains(words)
        });
    }

    /// Presses keys.
    pub fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until the command has ended.
    pub fn wait(&mut self) -> ExitStatus {
        until_some("the command ends", || self.child.try_wait().unwrap())
    }

    /// Whether the terminal is as it was before the command.
    pub fn is_restored(&self) -> bool {
        let now = tcgetattr(&self.line).unwrap();
        let parser = self.parser.lock().unwrap();
        let screen = parser.screen();
        now.local_flags == self.before.local_flags
            && now.input_flags == self.before.input_flags
            && !screen.alternate_screen()
            && !screen.hide_cursor()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
