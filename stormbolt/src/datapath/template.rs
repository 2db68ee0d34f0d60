//! The shapes of inner maps, out of the object itself.
//!
//! The kernel takes a map into a map of maps only if it is like the template that the object was
//! loaded with: type, sizes, flags, and before Linux 6.2 also whether it has type information
//! (`bpf_map_meta_equal`). So new inner maps are made from the object's own definitions, with its BTF.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd, RawFd};

use aya::maps::MapData;
use aya_obj::Object;

use super::error::DatapathError;

/// `BPF_BTF_LOAD` (`linux/bpf.h`).
const BPF_BTF_LOAD: libc::c_long = 18;

/// The first words of `union bpf_attr` for [`BPF_BTF_LOAD`].
#[repr(C)]
#[derive(Default)]
struct BtfLoad {
    btf: u64,
    log: u64,
    size: u32,
    log_size: u32,
    log_level: u32,
    reserved: u32,
}

/// Definitions of inner maps by the name of the outer one.
pub(super) struct Templates {
    inner: BTreeMap<String, aya_obj::Map>,
    /// The object's type information; `None` on kernels without.
    btf: Option<OwnedFd>,
}

impl Templates {
    /// Reads the definitions out of `object`.
    pub(super) fn of(object: &[u8]) -> Result<Self, DatapathError> {
        let damaged = |error| DatapathError::Load(aya::EbpfError::ParseError(error));
        let mut object = Object::parse(object).map_err(damaged)?;
        let inner = object.maps.iter();
        let inner = inner
            .filter_map(|(name, map)| Some((name.clone(), map.inner()?)))
            .collect();
        let btf = match aya::features().btf() {
            None => None,
            Some(features) => object
                .fixup_and_sanitize_btf(features)
                .map_err(|error| DatapathError::Load(aya::EbpfError::BtfError(error)))?
                .map(|btf| load_btf(&btf.to_bytes()))
                .transpose()
                .map_err(DatapathError::Btf)?,
        };
        Ok(Self { inner, btf })
    }

    /// Makes a map that fits into `outer`; returns it and how many entries it has.
    pub(super) fn create(&self, outer: &'static str) -> Result<MapData, DatapathError> {
        let missing = DatapathError::Missing {
            kind: "map of maps",
            name: outer,
        };
        let definition = self.inner.get(outer).ok_or(missing)?.clone();
        MapData::create(definition, outer, self.btf.as_ref().map(AsFd::as_fd))
            .map_err(DatapathError::map("create an inner map of", outer))
    }
}

fn load_btf(bytes: &[u8]) -> io::Result<OwnedFd> {
    let attributes = BtfLoad {
        btf: u64::try_from(bytes.as_ptr().expose_provenance()).map_err(io::Error::other)?,
        size: u32::try_from(bytes.len()).map_err(io::Error::other)?,
        ..BtfLoad::default()
    };
    // SAFETY: the kernel reads `size_of::<BtfLoad>()` bytes of `attributes` and `size` bytes of
    // `bytes`, which both live through the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_BTF_LOAD,
            &raw const attributes,
            size_of::<BtfLoad>(),
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    let descriptor = RawFd::try_from(result).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made the descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}
