//! The kernel and its settings.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use nix::sys::utsname::{UtsName, uname};

use crate::doctor::facts::Kernel;

pub(super) fn look() -> Kernel {
    let name = uname();
    let text = |of: Result<&OsStr, ()>| {
        of.map(|text| text.to_string_lossy().into_owned())
            .unwrap_or_default()
    };
    Kernel {
        release: text(name.as_ref().map(UtsName::release).map_err(drop)),
        machine: text(name.as_ref().map(UtsName::machine).map_err(drop)),
        has_btf: Path::new("/sys/kernel/btf/vmlinux").exists(),
        jit: setting("net/core/bpf_jit_enable"),
        jit_harden: setting("net/core/bpf_jit_harden"),
        unprivileged_bpf_disabled: setting("kernel/unprivileged_bpf_disabled"),
        clock_source: read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
    }
}

fn setting(name: &str) -> Option<u32> {
    read(&format!("/proc/sys/{name}"))?.parse().ok()
}

fn read(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned())
}
