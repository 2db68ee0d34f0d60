//! Namespaces and links: reachable, apart, and gone when dropped.

use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::process::Stdio;

use nix::net::if_::if_nametoindex;
use nix::sys::stat::fstat;

use super::*;
use crate::lab::{LabError, Offload, require_root, spawn_for_process_lifetime};

#[test]
fn work_runs_inside_the_namespace_and_the_caller_stays_outside() {
    if !require_root("work_runs_inside_the_namespace_and_the_caller_stays_outside") {
        return;
    }
    let own = || {
        let file = std::fs::File::open("/proc/thread-self/ns/net").unwrap();
        fstat(file.as_fd()).unwrap().st_ino
    };
    let outside = own();
    let namespace = Namespace::new("alone").unwrap();
    assert_eq!(
        namespace.run(own).unwrap(),
        fstat(namespace.fd()).unwrap().st_ino
    );
    assert_ne!(namespace.run(own).unwrap(), outside);
    assert_eq!(own(), outside);
}

#[test]
fn loopback_of_a_new_namespace_carries_packets() {
    if !require_root("loopback_of_a_new_namespace_carries_packets") {
        return;
    }
    let namespace = Namespace::new("alone").unwrap();
    let received = namespace.run(|| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(b"x", socket.local_addr().unwrap()).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        socket.recv(&mut [0; 8])
    });
    assert_eq!(received.unwrap().unwrap(), 1);
}

#[test]
fn namespace_vanishes_with_its_last_owner() {
    if !require_root("namespace_vanishes_with_its_last_owner") {
        return;
    }
    let Pair {
        left,
        right,
        left_end,
        right_end,
    } = pair();
    let exists = || left.run(|| if_nametoindex("lab0")).unwrap().is_ok();
    assert!(exists());
    drop(right_end);
    assert!(exists(), "a namespace with an owner stays");
    drop(right);
    // A link goes when the namespace of its other end goes.
    eventually("the end of the dropped namespace", || !exists());
    drop(left_end);
}

#[test]
fn namespace_vanishes_although_traffic_ran_in_it() {
    use crate::lab::traffic::{TcpStreamOptions, TcpStreams};
    if !require_root("namespace_vanishes_although_traffic_ran_in_it") {
        return;
    }
    let Pair {
        left,
        right,
        left_end,
        right_end,
    } = pair();
    let server = SocketAddr::new(RIGHT_V4, 5001);
    let streams = TcpStreams::start(
        &left,
        &right,
        &TcpStreamOptions::new(any_port(LEFT_V4), server),
    );
    let streams = streams.unwrap();
    eventually("data", || streams.received_bytes() > 0);
    // Unsent data stays in the sender's buffer, which must not keep its namespace.
    left_end.set_down().unwrap();
    drop(streams);
    drop((left, left_end));
    let exists = || right.run(|| if_nametoindex("lab1")).unwrap().is_ok();
    eventually("the end of the dropped namespace", || !exists());
    drop(right_end);
}

#[test]
fn child_process_runs_inside_the_namespace() {
    if !require_root("child_process_runs_inside_the_namespace") {
        return;
    }
    let pair = pair();
    let output = pair
        .right
        .command("cat")
        .arg("/proc/self/net/dev")
        .output()
        .unwrap();
    let devices = String::from_utf8(output.stdout).unwrap();
    assert!(
        devices.contains("lab1:") && !devices.contains("lab0:"),
        "{devices}"
    );
}

#[test]
fn child_process_dies_with_the_thread_that_spawned_it_unless_it_belongs_to_the_process() {
    if !require_root("child_process_dies_with_the_thread_that_spawned_it") {
        return;
    }
    let namespace = Namespace::new("alone").unwrap();
    let sleep = || {
        let mut command = namespace.command("sleep");
        command.arg("100").stdin(Stdio::null());
        command
    };
    let mut orphan = std::thread::scope(|s| s.spawn(|| sleep().spawn().unwrap()).join().unwrap());
    let mut kept = std::thread::scope(|s| {
        s.spawn(|| spawn_for_process_lifetime(sleep()).unwrap())
            .join()
            .unwrap()
    });
    assert!(!orphan.wait().unwrap().success());
    assert!(kept.try_wait().unwrap().is_none(), "still running");
    kept.kill().unwrap();
    kept.wait().unwrap();
}

#[test]
fn settings_are_those_of_the_namespace() {
    if !require_root("settings_are_those_of_the_namespace") {
        return;
    }
    let read = || std::fs::read_to_string("/proc/sys/net/ipv4/ip_default_ttl").unwrap();
    let (namespace, outside) = (Namespace::new("alone").unwrap(), read());
    namespace.sysctl("net.ipv4.ip_default_ttl", "33").unwrap();
    assert_eq!(namespace.run(read).unwrap().trim(), "33");
    assert_eq!(read(), outside);
    let error = namespace
        .sysctl("net.ipv4.no_such_setting", "1")
        .unwrap_err();
    assert!(
        error.to_string().contains("net.ipv4.no_such_setting"),
        "{error}"
    );
}

#[test]
fn link_has_the_queues_mtu_and_offloads_that_xdp_needs() {
    if !require_root("link_has_the_queues_mtu_and_offloads_that_xdp_needs") {
        return;
    }
    let (left, right) = (
        Namespace::new("left").unwrap(),
        Namespace::new("right").unwrap(),
    );
    let options = VethOptions {
        queues: 3,
        mtu: 3000,
    };
    let (a, b) = veth(&left, "lab0", &right, "lab1", options).unwrap();
    assert_ne!(a.mac(), b.mac());
    for end in [&a, &b] {
        assert!(!end.offload(Offload::TransmitChecksum).unwrap());
        assert!(!end.offload(Offload::TcpSegmentation).unwrap());
        assert!(!end.offload(Offload::GenericSegmentation).unwrap());
        assert!(end.offload(Offload::GenericReceive).unwrap());
    }
    b.set_offload(Offload::GenericReceive, false).unwrap();
    assert!(!b.offload(Offload::GenericReceive).unwrap());
    let output = right
        .command("ip")
        .args(["-d", "link", "show", "lab1"])
        .output();
    // Only a second opinion: the lab itself must not need the program.
    if let Ok(output) = output {
        let text = String::from_utf8(output.stdout).unwrap();
        for expected in [
            "mtu 3000",
            "numtxqueues 3",
            "numrxqueues 3",
            &b.mac().to_string(),
        ] {
            assert!(text.contains(expected), "no `{expected}` in {text}");
        }
    }
}

#[test]
fn route_through_a_router_carries_packets() {
    if !require_root("route_through_a_router_carries_packets") {
        return;
    }
    let (first, far) = (pair(), Namespace::new("far").unwrap());
    let router = &first.right;
    let (out, end) = veth(router, "lab2", &far, "lab3", VethOptions::default()).unwrap();
    let (out_v4, far_v4) = ("10.9.1.1".parse().unwrap(), "10.9.1.2".parse().unwrap());
    connect(&out, &[(out_v4, 24)], &end, &[(far_v4, 24)]).unwrap();
    router.sysctl("net.ipv4.ip_forward", "1").unwrap();
    first
        .left_end
        .add_route("10.9.1.0/24".parse().unwrap(), Some(RIGHT_V4))
        .unwrap();
    end.add_route("10.9.0.0/24".parse().unwrap(), Some(out_v4))
        .unwrap();

    let server = far.run(|| UdpSocket::bind((far_v4, 7)).unwrap()).unwrap();
    server
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    let client = first
        .left
        .run(|| UdpSocket::bind((LEFT_V4, 0)).unwrap())
        .unwrap();
    client.send_to(b"hello", (far_v4, 7)).unwrap();
    assert_eq!(server.recv(&mut [0; 16]).unwrap(), 5);
    eventually("a counted frame", || {
        end.counters().unwrap().received_packets > 0
    });
    // A device adds to its counters after it has passed frames on.
    eventually("counted bytes", || {
        first.right_end.counters().unwrap().received_bytes >= 42 + 5
    });
}

#[test]
fn errors_say_what_failed_where() {
    if !require_root("errors_say_what_failed_where") {
        return;
    }
    let pair = pair();
    let error = pair.left_end.add_address(LEFT_V4, 24).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot add 10.9.0.1/24 to `lab0` in `left`"
    );
    assert!(matches!(error, LabError::Netlink { .. }));
}

#[test]
fn lack_of_privilege_is_told_with_the_remedy() {
    if !require_root("lack_of_privilege_is_told_with_the_remedy") {
        return;
    }
    // Capabilities belong to the thread, so only this one loses it.
    let error = std::thread::spawn(|| {
        caps::drop(
            None,
            caps::CapSet::Effective,
            caps::Capability::CAP_SYS_ADMIN,
        )
        .unwrap();
        Namespace::new("forbidden").unwrap_err()
    });
    assert_eq!(
        error.join().unwrap().to_string(),
        "needs root: creating a network namespace needs CAP_SYS_ADMIN; run with sudo"
    );
}
