//! Functions that try what they must not: each is refused, and the server serves on.

use ropeway_core::Clock;

use crate::world::World;

#[tokio::test]
async fn what_the_machine_lacks_is_found_out() {
    let world = World::new().await;
    let missing = world.runtime.probe().await.unwrap();
    assert!(missing.iter().all(|what| !what.is_empty()), "{missing:?}");
    let world = World::with(|settings| settings.program = "/bin/false".into(), Clock::real(0)).await;
    let why = world.runtime.probe().await.unwrap_err();
    assert!(!why.is_empty());
}

#[tokio::test]
async fn the_machine_is_out_of_sight() {
    let world = World::new().await;
    let function = world.function("f");
    let secret = world.directory.path().join("secret");
    std::fs::write(&secret, "master key").unwrap();
    for path in [secret.to_str().unwrap(), "/etc/shadow", "/root/.bashrc", "/proc/1/environ", "/proc/kcore"] {
        let answer = world.ask(&function, &format!("read {path}")).await;
        assert!(answer.starts_with("refused: "), "{path}: {answer}");
    }
    assert_eq!(world.ask(&function, "list /").await, r#""bin dev etc lib lib64 opt proc sbin tmp usr var""#);
    assert_eq!(world.ask(&function, "list /var").await, r#""runtime task""#);
    assert_eq!(world.ask(&function, "list /var/task").await, r#""bootstrap""#);
    let etc = world.ask(&function, "list /etc").await;
    for secret in ["shadow", "ssh", "sudoers", "hostname", "machine-id"] {
        assert!(!etc.contains(secret), "{etc}");
    }
    assert_eq!(world.ask(&function, "list /tmp").await, r#""""#);
    assert_eq!(
        world.ask(&function, "list /dev").await,
        r#""fd full null random stderr stdin stdout urandom zero""#
    );
}

#[tokio::test]
async fn nothing_but_tmp_can_be_written() {
    let world = World::new().await;
    let function = world.function("f");
    for path in [
        "/x",
        "/var/task/bootstrap",
        "/opt/x",
        "/usr/bin/x",
        "/etc/hosts",
        "/dev/x",
        "/proc/sys/kernel/core_pattern",
    ] {
        let answer = world.ask(&function, &format!("write {path}")).await;
        assert!(answer.starts_with("refused: "), "{path}: {answer}");
    }
    for path in ["/tmp/x", "/dev/null", "/dev/stdout", "/dev/stderr"] {
        assert_eq!(world.ask(&function, &format!("write {path}")).await, "()", "{path}");
    }
    let other = world.function("g");
    assert_eq!(world.ask(&other, "list /tmp").await, r#""""#, "every process has its own");
}

#[tokio::test]
async fn the_kernel_refuses_what_no_function_needs() {
    let world = World::new().await;
    let function = world.function("f");
    let not_permitted = "refused: Operation not permitted (os error 1)";
    for deed in ["mount", "umount", "unshare", "clone", "ptrace 1", "bpf", "keyctl", "vsock", "mknod"] {
        assert_eq!(world.ask(&function, deed).await, not_permitted, "{deed}");
    }
    assert_eq!(world.ask(&function, "clone3").await, "refused: Function not implemented (os error 38)");
    let none = "0000000000000000";
    let who = world.ask(&function, "whoami").await;
    assert_eq!(
        who,
        format!(
            "993 990 CapInh: {none}, CapPrm: {none}, CapEff: {none}, CapBnd: {none}, CapAmb: {none}, NoNewPrivs: 1, \
             Seccomp: 2"
        )
    );
}

#[tokio::test]
async fn other_processes_are_out_of_reach() {
    let world = World::new().await;
    let function = world.function("f");
    let other = world.function("g");
    assert_eq!(world.ask(&other, "count").await, "1");
    assert_eq!(world.ask(&function, "processes").await, "1", "it sees itself alone");
    // The sandbox's first process ignores it, the server's number means nobody, and -1 only itself's children.
    world.ask(&function, "signal 1").await;
    let server = std::process::id();
    let answer = world.ask(&function, &format!("signal {server}")).await;
    assert_eq!(answer, "refused: No such process (os error 3)");
    assert_eq!(world.ask(&function, "count").await, "4");
    assert_eq!(world.ask(&other, "count").await, "2");
}

#[tokio::test]
async fn processes_are_bounded() {
    let world = World::new().await;
    let function = world.function("f");
    let forked: u32 = world.ask(&function, "fork").await.parse().unwrap();
    assert!((900..1025).contains(&forked), "{forked}");
    assert_eq!(world.ask(&function, "count").await, "2");
    let other = world.function("g");
    assert_eq!(world.ask(&other, "count").await, "1");
}

#[tokio::test]
async fn scratch_room_is_bounded() {
    let world = World::new().await;
    let function = world.function("f");
    assert_eq!(world.ask(&function, "fill /tmp/x").await, "64 StorageFull");
    let files: u32 = world.ask(&function, "files").await.parse().unwrap();
    assert!((8000..8192).contains(&files), "{files}");
    assert_eq!(world.ask(&function, "count").await, "3");
}

#[tokio::test]
async fn memory_is_bounded() {
    let world = World::new().await;
    let function = world.function("f");
    let answer = world.fail(&function, "eat").await;
    assert!(answer.contains("Runtime.OutOfMemory"), "{answer}");
    assert!(answer.contains("Runtime exited with error: signal: killed"), "{answer}");
    assert_eq!(world.ask(&function, "count").await, "1");
}

#[tokio::test]
async fn the_api_and_the_keys_of_others_are_out_of_reach() {
    let world = World::new().await;
    let function = world.function("f");
    let other = world.function("g");
    let key = world.ask(&function, "env AWS_ACCESS_KEY_ID").await;
    assert_eq!(key, "ASIA1");
    assert_eq!(world.ask(&other, "env AWS_ACCESS_KEY_ID").await, "ASIA2");
    // The address is the same, but it is another machine's: the other's invocation is unknown there.
    assert_eq!(world.ask(&function, "env AWS_LAMBDA_RUNTIME_API").await, "127.0.0.1:9001");
    let id = "00000000-0000-0000-0000-000000000000";
    let answer =
        world.ask(&function, &format!("api POST /2018-06-01/runtime/invocation/{id}/response")).await;
    assert!(answer.starts_with("400 ") && answer.contains("InvalidRequestID"), "{answer}");
    // Nothing of the machine's own loopback can be reached but what the server carries.
    let private = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let answer = world.ask(&function, &format!("connect {}", private.local_addr().unwrap())).await;
    assert!(answer.contains("ConnectionRefused"), "{answer}");
}

#[tokio::test]
async fn what_a_process_leaves_running_dies_with_it() {
    let world = World::new().await;
    let function = world.function("f");
    world.ask(&function, "spawn").await;
    assert_eq!(world.ask(&function, "processes").await, "2");
    world.fail(&function, "exit 1").await;
    assert_eq!(world.ask(&function, "processes").await, "1");
}

#[tokio::test]
async fn printing_without_end_harms_nobody() {
    let world = World::new().await;
    let mut function = world.function("f");
    function.timeout_secs = 1;
    let event = world.fail(&function, "flood");
    let others = async {
        let other = world.function("g");
        for count in 1..10 {
            assert_eq!(world.ask(&other, "count").await, count.to_string());
        }
    };
    let (answer, ()) = tokio::join!(event, others);
    assert!(answer.contains("Sandbox.Timedout"), "{answer}");
    assert!(world.host.lines().iter().any(|line| line == "flood"));
}
