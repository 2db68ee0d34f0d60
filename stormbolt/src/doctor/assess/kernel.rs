//! The kernel: whether it can run the program, and how fast.

use crate::doctor::document::DoctorFinding;
use crate::doctor::facts::{Kernel, Load};

/// The oldest kernel that the program is tested with.
const OLDEST: (u32, u32) = (6, 1);

/// Sources of time that take microseconds to read: registers of devices.
const SLOW_CLOCKS: [&str; 4] = ["hpet", "acpi_pm", "jiffies", "refined-jiffies"];

pub(super) fn assess(
    kernel: &Kernel,
    missing_rights: &[String],
    load: &Load,
) -> Vec<DoctorFinding> {
    let mut findings = vec![release(kernel), btf(kernel), rights(missing_rights)];
    findings.push(loading(load));
    findings.extend(jit(kernel));
    findings.extend(unprivileged(kernel));
    findings.push(clock(kernel));
    findings
}

fn release(kernel: &Kernel) -> DoctorFinding {
    let check = "kernel";
    let (release, machine) = (&kernel.release, &kernel.machine);
    let mut numbers = release.split(|character: char| !character.is_ascii_digit());
    let mut number = || numbers.next().and_then(|text| text.parse().ok());
    let version: Option<(u32, u32)> = number().zip(number());
    if machine != "x86_64" {
        let message = format!("Linux {release} on {machine}: StormBolt is made for x86-64 so far");
        return DoctorFinding::problem(check, message);
    }
    match version {
        Some(version) if version >= OLDEST => DoctorFinding::ok(check, format!("Linux {release}")),
        Some(_) => {
            let message = format!("Linux {release} is older than 6.1, which StormBolt needs");
            DoctorFinding::problem(check, message).remedy("install a newer kernel and reboot")
        }
        None => DoctorFinding::note(check, format!("the version `{release}` is not understood")),
    }
}

fn btf(kernel: &Kernel) -> DoctorFinding {
    if kernel.has_btf {
        return DoctorFinding::ok("btf", "the kernel describes its types (BTF)");
    }
    let message = "the kernel does not describe its types: /sys/kernel/btf/vmlinux is missing";
    DoctorFinding::problem("btf", message)
        .remedy("boot a kernel that is built with CONFIG_DEBUG_INFO_BTF=y")
}

fn rights(missing: &[String]) -> DoctorFinding {
    if missing.is_empty() {
        return DoctorFinding::ok("rights", "this process has the capabilities of the daemon");
    }
    let missing = missing.join(", ");
    let message = format!("without {missing} not everything can be seen");
    DoctorFinding::note("rights", message).remedy("sudo stormbolt doctor")
}

fn loading(load: &Load) -> DoctorFinding {
    let check = "program";
    match load {
        Load::Taken => DoctorFinding::ok(check, "the kernel takes StormBolt's program"),
        Load::NotTried => DoctorFinding::note(
            check,
            "whether the kernel takes StormBolt's program was not tried",
        )
        .remedy("sudo stormbolt doctor"),
        Load::Refused(reason) => {
            let message = format!("the kernel does not take StormBolt's program: {reason}");
            DoctorFinding::problem(check, message)
        }
    }
}

fn jit(kernel: &Kernel) -> Vec<DoctorFinding> {
    let check = "jit";
    let compiled = match kernel.jit {
        // Network namespaces but the first do not show it.
        None => DoctorFinding::note(
            check,
            "whether the kernel compiles BPF programs (net.core.bpf_jit_enable) is not to be seen here",
        ),
        Some(0) => DoctorFinding::problem(
            check,
            "the kernel interprets BPF programs instead of compiling them, which is many times slower",
        )
        .remedy("sysctl -w net.core.bpf_jit_enable=1"),
        Some(2) => DoctorFinding::note(
            check,
            "the kernel compiles BPF programs, and writes each into its log",
        )
        .remedy("sysctl -w net.core.bpf_jit_enable=1"),
        Some(_) => DoctorFinding::ok(check, "the kernel compiles BPF programs"),
    };
    let hardened = kernel.jit_harden.filter(|harden| *harden >= 2).map(|_| {
        let message = "programs of root are compiled with their constants hidden \
                       (net.core.bpf_jit_harden is 2), which makes each packet cost more";
        DoctorFinding::note("jit-harden", message).remedy("sysctl -w net.core.bpf_jit_harden=1")
    });
    [compiled].into_iter().chain(hardened).collect()
}

fn unprivileged(kernel: &Kernel) -> Option<DoctorFinding> {
    let open = kernel.unprivileged_bpf_disabled? == 0;
    let message = "every user may load BPF programs; StormBolt does not need that";
    let finding = DoctorFinding::note("unprivileged-bpf", message);
    open.then(|| finding.remedy("sysctl -w kernel.unprivileged_bpf_disabled=2"))
}

fn clock(kernel: &Kernel) -> DoctorFinding {
    let check = "clock";
    match kernel.clock_source.as_deref() {
        None => DoctorFinding::note(
            check,
            "where the kernel has its time from is not to be seen",
        ),
        Some(slow) if SLOW_CLOCKS.contains(&slow) => {
            let message = format!(
                "the kernel has its time from `{slow}`, a device that takes microseconds to answer: policing and \
                 taking leases ask for the time"
            );
            DoctorFinding::note(check, message).remedy(
                "see `dmesg | grep -i tsc` for why the CPU's own counter is not used; in a virtual machine, give it \
                 an invariant TSC",
            )
        }
        Some(source) => {
            DoctorFinding::ok(check, format!("the kernel has its time from `{source}`"))
        }
    }
}
