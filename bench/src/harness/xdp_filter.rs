//! The peer: the program of `xdp-filter`, as the package xdp-tools installs it.

use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;
use std::thread;

use anyhow::{Context as _, Result, anyhow};
use aya::maps::{PerCpuHashMap, PerCpuValues};
use aya::programs::ProgramFd;
use aya::util::nr_cpus;
use aya::{Ebpf, EbpfLoader};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use super::Link;
use super::front::{load_program, xdp_program};

/// The variant that looks at everything and passes what no rule drops.
const OBJECT: &str = "xdpfilt_alw_all.o";
const PROGRAM: &str = "xdpfilt_alw_all";
/// Where the kernel has a BPF file system.
const PINS: &str = "/sys/fs/bpf";
/// In a rule: the source address is meant (`MAP_FLAG_SRC` in xdp-filter's `common_kern_user.h`).
const SOURCE: u64 = 1;

/// `xdp-filter` with rules on IPv4 source addresses.
pub struct XdpFilter {
    ebpf: Ebpf,
    program: ProgramFd,
}

impl XdpFilter {
    /// Loads the program with one rule for each address; none if it is not installed.
    ///
    /// # Errors
    /// The kernel refuses it.
    pub fn load(sources: &[IpAddr]) -> Result<Option<Self>> {
        let Some(object) = installed() else {
            return Ok(None);
        };
        let mut ebpf = load_unpinned(&fs::read(&object)?)?;
        let map = ebpf.map_mut("filter_ipv4").context("no map filter_ipv4")?;
        let mut rules: PerCpuHashMap<_, [u8; 4], u64> = map.try_into()?;
        let cpus = nr_cpus().map_err(|(_, error)| error)?;
        for source in sources {
            if let IpAddr::V4(source) = source {
                let rule = PerCpuValues::try_from(vec![SOURCE; cpus])?;
                rules.insert(source.octets(), rule, 0)?;
            }
        }
        let program = load_program(&mut ebpf, PROGRAM)?;
        Ok(Some(Self { ebpf, program }))
    }

    /// Attaches it to the link's receiving interface.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn attach(&mut self, link: &Link) -> Result<()> {
        link.attach(xdp_program(&mut self.ebpf, PROGRAM)?)
    }

    /// The program.
    pub fn program(&self) -> &ProgramFd {
        &self.program
    }
}

/// Loads the object where nothing of it outlives this process.
///
/// It wants its maps pinned by name: in `/sys/fs/bpf` they would stay, and the next to load the object
/// would get them with all their rules. A mount namespace of the thread's own, with a BPF file system
/// of its own, ends with the thread.
fn load_unpinned(object: &[u8]) -> Result<Ebpf> {
    let load = || {
        let none: Option<&str> = None;
        unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS)?;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
        mount(Some("bpf"), PINS, Some("bpf"), MsFlags::empty(), none)?;
        let mut loader = EbpfLoader::new();
        Ok(loader.default_map_pin_directory(PINS).load(object)?)
    };
    thread::scope(|scope| scope.spawn(load).join())
        .map_err(|_panic| anyhow!("loading xdp-filter panicked"))?
}

/// Finds the object below `/usr/lib`, where each distribution has a folder of its own for it.
fn installed() -> Option<PathBuf> {
    let folders = ["/usr/lib", "/usr/lib64", "/usr/local/lib"];
    let direct = folders.map(PathBuf::from);
    let nested = direct.iter().filter_map(|folder| fs::read_dir(folder).ok());
    let nested = nested
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()));
    let candidates = direct.iter().cloned().chain(nested.collect::<Vec<_>>());
    candidates
        .map(|folder| folder.join("bpf").join(OBJECT))
        .find(|path| path.is_file())
}
