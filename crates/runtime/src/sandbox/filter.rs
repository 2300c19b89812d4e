//! What programs inside a sandbox may not ask of the kernel, and where they may write.

use std::collections::BTreeMap;

use landlock::{
    ABI, Access as _, AccessFs, CompatLevel, Compatible as _, PathBeneath, PathFd, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetStatus, Scope,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Length, SeccompCmpOp as Compare, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, sock_filter,
};

use super::spawner::said;

/// Calls that no function needs: mounts and namespaces, other processes' memory, the kernel itself, keys,
/// and interfaces whose faults have let processes out before.
const REFUSED: &[i64] = &[
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_fsconfig,
    libc::SYS_fspick,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_mount_setattr,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_syslog,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_vhangup,
    libc::SYS_fanotify_init,
    libc::SYS_lookup_dcookie,
    libc::SYS_nfsservctl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
];
/// Namespaces that `clone` would make.
const NAMESPACES: [i32; 8] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWTIME,
];
/// Families of sockets that a network namespace does not hold, or that reach into the kernel.
const FAMILIES: [i32; 3] = [libc::AF_VSOCK, libc::AF_ALG, libc::AF_PACKET];
/// Set in the numbers of the calls of x86's third ABI, which would lead round the filter.
const X32: u32 = 0x4000_0000;
/// Landlock as of Linux 6.12: beside files, signals and abstract sockets.
const LANDLOCK: ABI = ABI::V6;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Puts the filter on this process and all that it will start.
pub fn seccomp() -> Result<(), String> {
    for program in programs()? {
        seccompiler::apply_filter(&program).map_err(said("seccomp"))?;
    }
    Ok(())
}

/// Two filters: what is refused, and what is said not to exist: `clone3`, whose flags a filter cannot see (the
/// C library then uses `clone`), and the whole of x86's third ABI. The kernel takes longer over a filter the
/// longer it is, and every process is given these as it starts.
fn programs() -> Result<[BpfProgram; 2], String> {
    let mut rules: Rules = REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    rules.insert(
        libc::SYS_clone,
        any(NAMESPACES.map(|flag| {
            let flag = u64::from(flag.unsigned_abs());
            SeccompCondition::new(0, Length::Qword, Compare::MaskedEq(flag), flag)
        }))?,
    );
    rules.insert(
        libc::SYS_socket,
        any(FAMILIES.map(|family| {
            SeccompCondition::new(0, Length::Dword, Compare::Eq, u64::from(family.unsigned_abs()))
        }))?,
    );
    rules
        .insert(libc::SYS_ioctl, any([SeccompCondition::new(1, Length::Dword, Compare::Eq, libc::TIOCSTI)])?);
    let no = |errno: i32| SeccompAction::Errno(errno.unsigned_abs());
    let absent = Rules::from([(libc::SYS_clone3, Vec::new())]);
    let mut absent = compile(absent, no(libc::ENOSYS))?;
    if cfg!(target_arch = "x86_64") {
        absent.splice(..0, without_x32());
    }
    Ok([compile(rules, no(libc::EPERM))?, absent])
}

/// The beginning of a filter to which no call of x86's third ABI exists; their numbers are the other calls' with
/// one bit more.
fn without_x32() -> [sock_filter; 3] {
    let step = |code: u32, jf: u8, k: u32| sock_filter { code: code as u16, jt: 0, jf, k };
    let not_there = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs();
    [
        // The call's number is what the kernel shows first.
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, 1, X32),
        step(libc::BPF_RET | libc::BPF_K, 0, not_there),
    ]
}

/// Rules of which one is enough.
fn any<const N: usize>(
    conditions: [Result<SeccompCondition, seccompiler::BackendError>; N],
) -> Result<Vec<SeccompRule>, String> {
    let rules = conditions.into_iter().map(|condition| SeccompRule::new(vec![condition?]));
    rules.collect::<Result<_, _>>().map_err(said("seccomp"))
}

fn compile(rules: Rules, answer: SeccompAction) -> Result<BpfProgram, String> {
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(said("seccomp"))?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, answer, arch).map_err(said("seccomp"))?;
    filter.try_into().map_err(said("seccomp"))
}

/// Lets this process, and all that it will start, write below `/tmp` and to the device files alone, and
/// signal and reach by abstract sockets nobody outside. Where the kernel has no such thing, the mounts
/// and namespaces still say the same.
pub fn landlock() -> Result<(), String> {
    restrict().map(drop).map_err(said("landlock"))
}

fn restrict() -> Result<RulesetStatus, landlock::RulesetError> {
    let open = |path: &str| PathFd::new(path).ok();
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(LANDLOCK))?
        .scope(Scope::from_all(LANDLOCK))?
        .create()?;
    let reading = AccessFs::from_read(LANDLOCK);
    let device = AccessFs::ReadFile | AccessFs::WriteFile;
    for (path, access) in
        [("/", reading), ("/tmp", AccessFs::from_all(LANDLOCK)), ("/proc", reading | AccessFs::WriteFile)]
    {
        if let Some(fd) = open(path) {
            rules = rules.add_rule(PathBeneath::new(fd, access))?;
        }
    }
    for name in ["null", "zero", "full", "random", "urandom"] {
        if let Some(fd) = open(&format!("/dev/{name}")) {
            rules = rules.add_rule(PathBeneath::new(fd, device))?;
        }
    }
    Ok(rules.restrict_self()?.ruleset)
}

/// What the kernel lacks.
pub fn missing() -> Vec<String> {
    let mut missing = Vec::new();
    let handled = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))
        .and_then(Ruleset::create);
    if handled.is_err() {
        missing.push("landlock".to_owned());
    }
    if std::fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail").is_err() {
        missing.push("seccomp".to_owned());
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a filter says to a call: the kernel's virtual machine, as far as our filters use it.
    fn run(program: &[sock_filter], call: i64, arguments: &[u64]) -> u32 {
        let mut data = Vec::new();
        data.extend(u32::try_from(call).unwrap().to_ne_bytes());
        let arch = if cfg!(target_arch = "x86_64") { 0xc000_003e_u32 } else { 0xc000_00b7 };
        data.extend(arch.to_ne_bytes());
        data.extend([0; 8]);
        (0..6).for_each(|at| data.extend(arguments.get(at).copied().unwrap_or(0).to_ne_bytes()));
        let (mut at, mut held) = (0, 0_u32);
        loop {
            let sock_filter { code, jt, jf, k } = program[at];
            at += 1;
            let jump = |holds: bool| usize::from(if holds { jt } else { jf });
            match code {
                0x20 => held = u32::from_ne_bytes(data[k as usize..][..4].try_into().unwrap()),
                0x54 => held &= k,
                0x05 => at += k as usize,
                0x15 => at += jump(held == k),
                0x25 => at += jump(held > k),
                0x35 => at += jump(held >= k),
                0x06 => return k,
                _ => panic!("{code:#x}"),
            }
        }
    }

    /// What all filters say together: that of the first one that does not let the call pass.
    fn answer(call: i64, arguments: &[u64]) -> Option<i32> {
        let said = programs().unwrap().map(|program| run(&program, call, arguments));
        let errno = said.into_iter().find(|said| *said != libc::SECCOMP_RET_ALLOW)?;
        assert_eq!(errno & 0xffff_0000, libc::SECCOMP_RET_ERRNO);
        Some(i32::try_from(errno & 0xffff).unwrap())
    }

    #[test]
    fn dangerous_calls_are_refused_and_others_pass() {
        for call in REFUSED {
            assert_eq!(answer(*call, &[]), Some(libc::EPERM), "{call}");
        }
        for call in [libc::SYS_read, libc::SYS_execve, libc::SYS_futex, libc::SYS_epoll_pwait2] {
            assert_eq!(answer(call, &[]), None, "{call}");
        }
        let thread = u64::from((libc::CLONE_VM | libc::CLONE_THREAD).unsigned_abs());
        assert_eq!(answer(libc::SYS_clone, &[thread]), None);
        for flag in NAMESPACES {
            let flag = u64::from(flag.unsigned_abs());
            assert_eq!(answer(libc::SYS_clone, &[thread | flag]), Some(libc::EPERM), "{flag:#x}");
        }
        let family = |family: i32| answer(libc::SYS_socket, &[u64::from(family.unsigned_abs())]);
        assert_eq!(family(libc::AF_INET), None);
        assert_eq!(family(libc::AF_ALG), Some(libc::EPERM));
        assert_eq!(answer(libc::SYS_clone3, &[]), Some(libc::ENOSYS));
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn the_third_abi_does_not_exist() {
        let x32 = i64::from(X32);
        for call in [0, libc::SYS_read, libc::SYS_clone3, 547] {
            assert_eq!(answer(call | x32, &[]), Some(libc::ENOSYS), "{call}");
        }
        for call in REFUSED {
            assert!(answer(call | x32, &[]).is_some(), "{call}");
        }
    }
}
