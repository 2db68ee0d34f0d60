//! `cargo xtask test`: the whole test suite, with one line at the end that sums it up.

use std::{
    env, fs,
    io::{self, BufRead, BufReader, Write},
    path::Path,
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context as _, Result, bail};

use super::setup::is_root;
use crate::ebpf::{toolchain::cargo, workspace::Workspace};

/// Set to `1`, leaves out the tests that load programs into the kernel.
const SKIP_ROOT_TESTS: &str = "STORMBOLT_SKIP_ROOT_TESTS";
const OLDEST_KERNEL: [u32; 2] = [6, 1];
/// The crate whose tests share the kernel, so that one runs at a time.
const END_TO_END: &str = "stormbolt-tests";

/// Runs every test of the workspace, and ends with the line `N passed, N failed`.
///
/// Most of the tests need nothing. The end-to-end tests load the programs into this kernel and
/// build network namespaces, in which alone they send anything; they need root, Linux 6.1 and BTF.
/// Without root, set `STORMBOLT_SKIP_ROOT_TESTS=1` to leave those out.
///
/// To test other BPF objects than the committed ones, set `STORMBOLT_BPF_OBJECT_DIR`.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {}

pub(super) fn run(_args: &Args, workspace: &Workspace) -> Result<ExitCode> {
    let skips_root_tests = env::var_os(SKIP_ROOT_TESTS).is_some_and(|value| value == "1");
    let missing = if skips_root_tests {
        Vec::new()
    } else {
        Machine::look().missing()
    };
    if !missing.is_empty() {
        bail!(
            "the end-to-end tests cannot run here:\n  {}\nor set {SKIP_ROOT_TESTS}=1 to leave out \
             the tests that need it",
            missing.join("\n  ")
        );
    }
    let mut tally = Tally::default();
    let in_parallel = ["--workspace", "--exclude", END_TO_END];
    test(
        "unit tests, in parallel",
        &in_parallel,
        workspace,
        &mut tally,
    )?;
    let one_by_one = ["--package", END_TO_END, "--", "--test-threads=1"];
    test(
        "end-to-end tests, one by one",
        &one_by_one,
        workspace,
        &mut tally,
    )?;

    if tally.passed == 0 {
        eprintln!("error: no test has run");
    }
    writeln!(
        io::stdout(),
        "\n{} passed, {} failed",
        tally.passed,
        tally.failed
    )?;
    let success = tally.failed == 0 && tally.passed > 0;
    Ok(if success {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Runs one `cargo test`, passes its output through and adds up what it reports.
fn test(title: &str, arguments: &[&str], workspace: &Workspace, tally: &mut Tally) -> Result<()> {
    eprintln!("\n== {title}");
    let mut command = Command::new(cargo());
    command
        .current_dir(workspace.root())
        .args(["test", "--no-fail-fast"])
        .args(arguments)
        .stdout(Stdio::piped());
    let mut child = command.spawn().context("cannot run cargo")?;
    let failed_before = tally.failed;
    if let Some(output) = child.stdout.take() {
        tally.follow(BufReader::new(output), io::stdout())?;
    }
    let status = child.wait().context("cannot wait for cargo")?;
    if !status.success() && tally.failed == failed_before {
        eprintln!("error: cargo ended with {status} without naming a failed test; counted as one");
        tally.failed += 1;
    }
    Ok(())
}

/// How many tests there were of each outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: u64,
    failed: u64,
}

impl Tally {
    /// Copies `output` to `to`, and adds the results that test programs print in it.
    fn follow(&mut self, mut output: impl BufRead, mut to: impl Write) -> Result<()> {
        let mut line = Vec::new();
        while output
            .read_until(b'\n', &mut line)
            .context("cannot read from cargo")?
            > 0
        {
            to.write_all(&line)
                .context("cannot pass the tests' output on")?;
            self.add(&String::from_utf8_lossy(&line));
            line.clear();
        }
        to.flush().context("cannot pass the tests' output on")
    }

    /// Adds a line such as `test result: ok. 3 passed; 0 failed; 1 ignored; …`, and no other.
    fn add(&mut self, line: &str) {
        // A test that writes without a line break may stand before it on the same line.
        let Some((_, result)) = line.split_once("test result: ") else {
            return;
        };
        let Some((_, counts)) = result.split_once(". ") else {
            return;
        };
        for count in counts.split("; ") {
            match count
                .trim()
                .split_once(' ')
                .map(|(number, word)| (number.parse::<u64>(), word))
            {
                Some((Ok(number), "passed")) => self.passed += number,
                Some((Ok(number), "failed")) => self.failed += number,
                _ => {}
            }
        }
    }
}

/// What the end-to-end tests ask of a machine.
struct Machine {
    root: bool,
    kernel: String,
    btf: bool,
}

impl Machine {
    fn look() -> Self {
        Self {
            root: is_root(),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default(),
            btf: Path::new("/sys/kernel/btf/vmlinux").exists(),
        }
    }

    /// Lists what is missing, each with the way to get it.
    fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        if !self.root {
            missing.push("not root: run `sudo -E env \"PATH=$PATH\" cargo xtask test`".to_owned());
        }
        if !is_new_enough(&self.kernel) {
            let [major, minor] = OLDEST_KERNEL;
            let kernel = self.kernel.trim();
            missing.push(format!(
                "Linux {kernel} is older than {major}.{minor}: boot a newer one"
            ));
        }
        if !self.btf {
            missing.push(
                "no /sys/kernel/btf/vmlinux: boot a kernel with CONFIG_DEBUG_INFO_BTF=y".to_owned(),
            );
        }
        missing
    }
}

fn is_new_enough(release: &str) -> bool {
    let mut numbers = release.split(|character: char| !character.is_ascii_digit());
    let mut next = || numbers.next().and_then(|number| number.parse::<u32>().ok());
    match (next(), next()) {
        (Some(major), Some(minor)) => [major, minor] >= OLDEST_KERNEL,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &[u8] = b"running 3 tests\n\
        test result: FAILED. 2 passed; 1 failed; 4 ignored; 0 measured; 5 filtered out; \
        finished in 0.00s\n\nno result: 9 passed; 9 failed\n\
        . test result: ok. 40 passed; 0 failed; 0 ignored; 0 measured\n\xff\n";

    #[test]
    fn results_of_all_test_programs_are_added_up() {
        let mut tally = Tally::default();
        tally.follow(OUTPUT, io::sink()).unwrap();

        assert_eq!(
            tally,
            Tally {
                passed: 42,
                failed: 1
            }
        );
    }

    #[test]
    fn output_is_passed_on_as_it_is() {
        let mut copy = Vec::new();
        Tally::default().follow(OUTPUT, &mut copy).unwrap();

        assert_eq!(copy, OUTPUT);
    }

    #[test]
    fn a_machine_that_has_all_misses_nothing() {
        let machine = Machine {
            root: true,
            kernel: "6.1.0-40-amd64\n".to_owned(),
            btf: true,
        };

        assert_eq!(machine.missing(), Vec::<String>::new());
    }

    #[test]
    fn each_missing_thing_is_named() {
        let machine = Machine {
            root: false,
            kernel: "5.15.0\n".to_owned(),
            btf: false,
        };

        let missing = machine.missing().join("\n");

        for word in ["sudo", "Linux 5.15.0", "/sys/kernel/btf/vmlinux"] {
            assert!(missing.contains(word), "{word} in {missing}");
        }
    }

    #[test]
    fn kernels_are_compared_by_number() {
        assert!(is_new_enough("6.18.44-fc"));
        assert!(is_new_enough("7.0.0"));
        assert!(!is_new_enough("6.0.19"));
        assert!(!is_new_enough("5.99.0"));
    }
}
