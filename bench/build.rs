//! Puts the BPF objects where `include_bytes!` finds them: see `xtask::ebpf::embed`.

use std::{
    env, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

fn main() -> ExitCode {
    let (Some(crate_dir), Some(out_dir)) =
        (env::var_os("CARGO_MANIFEST_DIR"), env::var_os("OUT_DIR"))
    else {
        eprintln!("error: this is a build script, for cargo to run");
        return ExitCode::FAILURE;
    };
    // The objects are committed in the crate that is named after the data path.
    let stormbolt = Path::new(&crate_dir).with_file_name("stormbolt");
    let given = env::var_os(xtask::ebpf::embed::OBJECT_DIR).map(PathBuf::from);
    let mut directives = io::stdout().lock();
    match xtask::ebpf::embed::embed(
        &stormbolt,
        Path::new(&out_dir),
        given.as_deref(),
        &mut directives,
    ) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
