//! bpf() as it is: for programs of a few instructions that are loaded only to see what becomes of them, and for what aya
//! lacks.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use aya_obj::generated::{bpf_attach_type, bpf_attr, bpf_cmd, bpf_map_type, bpf_prog_info, bpf_prog_type};

/// `r0 = 2; exit`: XDP_PASS, and nothing in particular elsewhere.
pub const RETURN: [u64; 2] = [0x0000_0002_0000_00b7, EXIT];
/// `call bpf_get_smp_processor_id; exit`.
pub const CPU_NUMBER: [u64; 2] = [0x0000_0008_0000_0000 | CALL, EXIT];

/// `call bpf_jiffies64; exit`: their lower half.
pub const JIFFIES: [u64; 2] = [0x0000_0076_0000_0000 | CALL, EXIT];

const EXIT: u64 = 0x95;
/// Opcode of calls; the helper's number is in the upper half.
const CALL: u64 = 0x85;

/// A program to load.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    /// Its type.
    pub kind: bpf_prog_type,
    /// Its instructions.
    pub instructions: &'a [u64],
    /// `BPF_F_*`.
    pub flags: u32,
    /// Where it is to be attached; 0: the usual place.
    pub attach_type: u32,
}

impl<'a> Attempt<'a> {
    /// A program of this type without anything particular.
    #[must_use]
    pub const fn new(kind: bpf_prog_type, instructions: &'a [u64]) -> Self {
        Self { kind, instructions, flags: 0, attach_type: 0 }
    }

    /// Loads it.
    ///
    /// # Errors
    /// The kernel's.
    pub fn load(&self) -> io::Result<OwnedFd> {
        self.load_with(0, &mut [])
    }

    /// Loads it, the verifier writing to `log` what `level` (`BPF_LOG_*`) asks for.
    ///
    /// # Errors
    /// The kernel's; ENOSPC if the log is too small.
    pub fn load_with(&self, level: u32, log: &mut [u8]) -> io::Result<OwnedFd> {
        // SAFETY: all of it is plain numbers, of which 0 is one.
        let mut attr: bpf_attr = unsafe { std::mem::zeroed() };
        // SAFETY: zeroed, as every variant may be.
        let load = unsafe { &mut attr.__bindgen_anon_3 };
        load.prog_type = self.kind as u32;
        load.insns = self.instructions.as_ptr() as u64;
        load.insn_cnt = self.instructions.len() as u32;
        load.license = c"Dual MIT/GPL".as_ptr() as u64;
        load.prog_flags = self.flags;
        load.expected_attach_type = self.attach_type;
        if !log.is_empty() {
            load.log_level = level;
            load.log_buf = log.as_mut_ptr() as u64;
            load.log_size = log.len() as u32;
        }
        bpf(bpf_cmd::BPF_PROG_LOAD, &mut attr)
    }
}

/// Runs a program once over an empty frame; what it returns.
///
/// # Errors
/// The kernel's.
pub fn run(program: BorrowedFd<'_>) -> io::Result<u32> {
    /// The shortest frame that the kernel takes.
    const FRAME: [u8; 64] = [0; 64];
    // SAFETY: plain numbers.
    let mut attr: bpf_attr = unsafe { std::mem::zeroed() };
    attr.test.prog_fd = program.as_raw_fd().cast_unsigned();
    attr.test.data_in = FRAME.as_ptr() as u64;
    attr.test.data_size_in = FRAME.len() as u32;
    attr.test.repeat = 1;
    // SAFETY: the frame is as long as said, and outlives the call.
    check(unsafe { syscall(bpf_cmd::BPF_PROG_TEST_RUN, &mut attr) })?;
    // SAFETY: the kernel has filled it in.
    Ok(unsafe { attr.test.retval })
}

/// Makes a table of interface indexes for `bpf_redirect_map` and pins it. aya's have room for a program with each entry.
///
/// # Errors
/// The kernel's.
pub fn pin_devmap(pin: &Path, name: &str, entries: u32) -> io::Result<()> {
    // SAFETY: all of it is plain numbers, of which 0 is one.
    let mut attr: bpf_attr = unsafe { std::mem::zeroed() };
    // SAFETY: zeroed, as every variant may be.
    let map = unsafe { &mut attr.__bindgen_anon_1 };
    map.map_type = bpf_map_type::BPF_MAP_TYPE_DEVMAP as u32;
    (map.key_size, map.value_size, map.max_entries) = (size_of::<u32>() as u32, size_of::<u32>() as u32, entries);
    // The last byte stays 0.
    for (to, from) in map.map_name[..15].iter_mut().zip(name.bytes()) {
        *to = from.cast_signed();
    }
    let map = bpf(bpf_cmd::BPF_MAP_CREATE, &mut attr)?;
    let path = CString::new(pin.as_os_str().as_bytes())?;
    // SAFETY: plain numbers.
    let mut attr: bpf_attr = unsafe { std::mem::zeroed() };
    attr.__bindgen_anon_4.pathname = path.as_ptr() as u64;
    attr.__bindgen_anon_4.bpf_fd = map.as_raw_fd().cast_unsigned();
    // SAFETY: the path outlives the call.
    check(unsafe { syscall(bpf_cmd::BPF_OBJ_PIN, &mut attr) }).map(drop)
}

/// Attaches a program to an interface by a link, which holds it in place until it is closed.
///
/// # Errors
/// The kernel's.
pub fn link(program: BorrowedFd<'_>, interface: u32, hook: bpf_attach_type, flags: u32) -> io::Result<OwnedFd> {
    // SAFETY: all of it is plain numbers, of which 0 is one.
    let mut attr: bpf_attr = unsafe { std::mem::zeroed() };
    attr.link_create.__bindgen_anon_1.prog_fd = program.as_raw_fd().cast_unsigned();
    attr.link_create.__bindgen_anon_2.target_ifindex = interface;
    attr.link_create.attach_type = hook as u32;
    attr.link_create.flags = flags;
    bpf(bpf_cmd::BPF_LINK_CREATE, &mut attr)
}

/// Detaches a pinned link at once; without its pin it would go a moment later.
///
/// # Errors
/// The kernel's.
pub fn detach(pin: &Path) -> io::Result<()> {
    let path = CString::new(pin.as_os_str().as_bytes())?;
    // SAFETY: plain numbers.
    let mut attr: bpf_attr = unsafe { std::mem::zeroed() };
    attr.__bindgen_anon_4.pathname = path.as_ptr() as u64;
    let link = bpf(bpf_cmd::BPF_OBJ_GET, &mut attr)?;
    // SAFETY: plain numbers.
    let mut attr: bpf_attr = unsafe { std::mem::zeroed() };
    attr.link_detach.link_fd = link.as_raw_fd().cast_unsigned();
    // SAFETY: it points at nothing.
    check(unsafe { syscall(bpf_cmd::BPF_LINK_DETACH, &mut attr) }).map(drop)
}

/// Whether the kernel left a call to a helper in a loaded program, instead of the helper's few instructions.
///
/// # Errors
/// The kernel's, if it does not show programs.
pub fn calls(program: &OwnedFd) -> io::Result<bool> {
    let mut instructions = [0_u64; 64];
    // SAFETY: plain numbers.
    let mut info: bpf_prog_info = unsafe { std::mem::zeroed() };
    info.xlated_prog_len = size_of_val(&instructions) as u32;
    info.xlated_prog_insns = instructions.as_mut_ptr() as u64;
    // SAFETY: plain numbers.
    let mut attr: bpf_attr = unsafe { std::mem::zeroed() };
    attr.info.bpf_fd = program.as_fd().as_raw_fd().cast_unsigned();
    attr.info.info_len = size_of_val(&info) as u32;
    attr.info.info = &raw mut info as u64;
    // SAFETY: info and instructions outlive the call and are as long as said.
    check(unsafe { syscall(bpf_cmd::BPF_OBJ_GET_INFO_BY_FD, &mut attr) })?;
    let len = (info.xlated_prog_len as usize / size_of::<u64>()).min(instructions.len());
    Ok(instructions[..len].iter().any(|instruction| instruction & 0xff == CALL))
}

/// A command that returns a descriptor.
fn bpf(command: bpf_cmd, attr: &mut bpf_attr) -> io::Result<OwnedFd> {
    // SAFETY: what the attributes point at outlives the call.
    let fd = check(unsafe { syscall(command, attr) })?;
    // SAFETY: the kernel gave it to us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// # Safety
/// What the attributes point at is as long as they say.
unsafe fn syscall(command: bpf_cmd, attr: &mut bpf_attr) -> libc::c_long {
    // SAFETY: the caller's.
    unsafe { libc::syscall(libc::SYS_bpf, command as u32, std::ptr::from_mut(attr), size_of::<bpf_attr>()) }
}

fn check(result: libc::c_long) -> io::Result<i32> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result as i32) }
}
