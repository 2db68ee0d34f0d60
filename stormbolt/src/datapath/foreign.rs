//! Names the XDP program of somebody else.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use aya::programs::{ProgramInfo, loaded_programs};
use aya_obj::generated::bpf_prog_type::BPF_PROG_TYPE_XDP;

/// What libxdp calls the program that it chains others behind.
const DISPATCHER: &str = "xdp_dispatcher";

/// What could be found out of XDP programs while the process had the rights for it ([`survey`]), by number.
static SURVEYED: OnceLock<BTreeMap<u32, String>> = OnceLock::new();

/// Finds out what XDP programs there are, for [`describe`]: it takes rights (`CAP_SYS_ADMIN`, and for other users' processes
/// `CAP_SYS_PTRACE`) that a daemon gives up when it has begun.
pub fn survey() {
    let programs = loaded_programs().filter_map(Result::ok);
    let programs = programs.filter(|program| program.program_type() == BPF_PROG_TYPE_XDP);
    let described = programs.map(|program| (program.id(), described(&program)));
    // Of the first call, if there are several.
    SURVEYED.get_or_init(|| described.collect());
}

/// What is known of program number `id`, as people read it.
pub(super) fn describe(id: u32) -> String {
    let known = loaded_programs().filter_map(Result::ok);
    if let Some(program) = known.into_iter().find(|program| program.id() == id) {
        return described(&program);
    }
    let surveyed = SURVEYED.get().and_then(|programs| programs.get(&id));
    surveyed.cloned().unwrap_or_else(|| {
        format!("program {id} (as root, `bpftool prog show id {id}` says which that is)")
    })
}

fn described(program: &ProgramInfo) -> String {
    let id = program.id();
    let name = program.name_as_str().unwrap_or_default();
    let mut text = format!("program {id} `{name}`, tag {:016x}", program.tag());
    let holders = holders(Path::new("/proc"), id);
    if holders.is_empty() {
        text.push_str(", which no process holds: it was attached by `ip`, or is pinned");
    } else {
        text = format!("{text}, held by {}", holders.join(" and "));
    }
    if name == DISPATCHER {
        text.push_str(" (programs of libxdp: see `xdp-loader status`)");
    }
    text
}

/// The processes that have a descriptor of the program, or of a link that runs it.
fn holders(proc: &Path, id: u32) -> Vec<String> {
    let wanted = format!("prog_id:\t{id}");
    let holds = |process: &Path| {
        let descriptors = fs::read_dir(process.join("fdinfo")).into_iter().flatten();
        let texts = descriptors.filter_map(|one| fs::read_to_string(one.ok()?.path()).ok());
        let mut texts = texts.into_iter();
        texts.any(|text| text.lines().any(|line| line == wanted))
    };
    let processes = fs::read_dir(proc).into_iter().flatten();
    let holders = processes.filter_map(|process| {
        let path = process.ok()?.path();
        let number: u32 = path.file_name()?.to_str()?.parse().ok()?;
        let name = holds(&path).then(|| fs::read_to_string(path.join("comm")))?;
        let name = name.unwrap_or_default();
        Some(format!("`{}` (process {number})", name.trim_end()))
    });
    holders.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_has_a_descriptor_of_the_program_is_named() {
        let proc = tempfile::tempdir().unwrap();
        let process = |number: &str, text: &str| {
            let path = proc.path().join(number);
            fs::create_dir_all(path.join("fdinfo")).unwrap();
            fs::write(path.join("fdinfo/3"), text).unwrap();
            fs::write(path.join("comm"), "cilium\n").unwrap();
        };
        process("17", "pos:\t0\nprog_id:\t5\n");
        process("18", "pos:\t0\nprog_id:\t55\n");
        process("acpi", "prog_id:\t5\n");
        assert_eq!(holders(proc.path(), 5), ["`cilium` (process 17)"]);
        assert_eq!(holders(proc.path(), 6), [""; 0]);
    }
}
