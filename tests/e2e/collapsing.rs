//! One fetch for many who ask at once; responses that end too soon.

use std::thread;

use selat_tests::{Client, ClientError, Daemon, Gate, Netctl, Origin, Reply, curl};

/// Clients that ask at once.
const CLIENTS: usize = 50;

#[test]
fn many_who_miss_at_once_share_one_fetch() {
    let gate = Gate::new();
    let reply = Reply::fresh("first,").wait(&gate).piece("second");
    let origin = Origin::with("/", reply);
    let proxyd = Daemon::caching(origin.address()).start();
    let mut clients: Vec<_> =
        (0..CLIENTS).map(|_| Client::connect(proxyd.address("http"))).collect();
    for client in &mut clients {
        client.send("GET", "/", &[]).unwrap();
    }
    // Everyone gets the beginning while the origin still holds the end back.
    for client in &mut clients {
        assert_eq!(client.receive_head().unwrap().status, 200);
        assert_eq!(first_bytes(client), b"first,");
    }
    gate.open();
    for client in &mut clients {
        assert!(rest(client).ends_with(b"second"));
    }
    assert_eq!(origin.count("/"), 1);
    let stats = Netctl::new().proxyd(&proxyd).json(&["cache", "stats"]);
    assert_eq!((stats["misses"].as_u64(), stats["collapsed"].as_u64()), (Some(1), Some(49)));
}

/// The first piece, which has a length of its own in either framing.
fn first_bytes(client: &mut Client) -> Vec<u8> {
    client.read_exactly(6).unwrap()
}

fn rest(client: &mut Client) -> Vec<u8> {
    client.read_exactly(6).unwrap()
}

#[test]
fn who_shares_a_fetch_that_cannot_be_stored_asks_for_itself() {
    let gate = Gate::new();
    let origin = Origin::start();
    let waiting = gate.clone();
    origin.on_request("/", move |request| {
        Reply::status(200)
            .header("cache-control", "private")
            .wait(&waiting)
            .piece(request.header("x-who"))
    });
    let proxyd = Daemon::caching(origin.address()).start();
    let mut clients: Vec<_> = (0..5).map(|_| Client::connect(proxyd.address("http"))).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.send("GET", "/", &[("x-who", &number.to_string())]).unwrap();
    }
    gate.open();
    for (number, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.receive("GET").unwrap().text(), number.to_string());
    }
    assert_eq!(origin.count("/"), 5);
}

#[test]
fn a_body_cut_short_is_incomplete_for_the_client_and_not_stored() {
    for (framing, reply) in [
        ("length", Reply::fresh("half").cut(4)),
        ("chunked", Reply::fresh("half").chunked().cut(0)),
    ] {
        let origin = Origin::with("/", reply);
        let proxyd = Daemon::caching(origin.address()).start();
        let outcome = Client::connect(proxyd.address("http")).get("/");
        assert!(matches!(outcome, Err(ClientError::Incomplete(_))), "{framing}: {outcome:?}");
        let (code, _) = curl(&[&proxyd.url("/")]);
        assert!([18, 52, 56].contains(&code), "curl ends with {code} after a cut, {framing}");
        let stats = Netctl::new().proxyd(&proxyd).json(&["cache", "stats"]);
        assert_eq!((stats["entries"].as_u64(), stats["stores"].as_u64()), (Some(0), Some(0)));
        origin.on("/", Reply::fresh("whole"));
        let again = Client::connect(proxyd.address("http")).get("/").unwrap();
        assert_eq!(again.text(), "whole", "{framing}");
    }
}

#[test]
fn everyone_who_shares_a_fetch_sees_that_it_was_cut() {
    let gate = Gate::new();
    let origin = Origin::with("/", Reply::fresh("half").wait(&gate).cut(4));
    let proxyd = Daemon::caching(origin.address()).start();
    let mut clients: Vec<_> = (0..10).map(|_| Client::connect(proxyd.address("http"))).collect();
    for client in &mut clients {
        client.send("GET", "/", &[]).unwrap();
        assert_eq!(client.receive_head().unwrap().status, 200);
    }
    gate.open();
    for client in &mut clients {
        let outcome = client.read_exactly(8);
        assert!(matches!(outcome, Err(ClientError::Incomplete(_))), "{outcome:?}");
    }
}

#[test]
fn a_fetch_goes_on_for_the_others_when_the_first_to_ask_hangs_up() {
    let gate = Gate::new();
    let origin = Origin::with("/", Reply::fresh("first,").wait(&gate).piece("second"));
    let proxyd = Daemon::caching(origin.address()).start();
    let address = proxyd.address("http");
    let mut leader = Client::connect(address);
    leader.send("GET", "/", &[]).unwrap();
    leader.receive_head().unwrap();
    let mut follower = Client::connect(address);
    follower.send("GET", "/", &[]).unwrap();
    follower.receive_head().unwrap();
    drop(leader);
    gate.open();
    assert_eq!(follower.read_exactly(12).unwrap(), b"first,second");
    assert_eq!(origin.count("/"), 1);
}

#[test]
fn however_many_lead_and_leave_one_at_a_time_asks_for_the_others() {
    const LEAVING: usize = 8;
    let gate = Gate::new();
    let origin = Origin::with("/", Reply::fresh("page").hold(&gate));
    let proxyd = Daemon::caching(origin.address()).start();
    let connect = |number: usize| {
        let mut client = Client::connect(proxyd.address("http"));
        client.send("GET", "/", &[("x-who", &number.to_string())]).unwrap();
        client
    };
    let mut clients: Vec<_> = (0..2 * LEAVING).map(|number| Some(connect(number))).collect();
    for left in 0..LEAVING {
        origin.wait_for_requests("/", left + 1);
        let leader: usize = origin.requests("/")[left].header("x-who").parse().unwrap();
        drop(clients[leader].take());
    }
    origin.wait_for_requests("/", LEAVING + 1);
    gate.open();
    for client in clients.iter_mut().flatten() {
        assert_eq!(client.receive("GET").unwrap().text(), "page");
    }
    assert_eq!(origin.count("/"), LEAVING + 1);
}

#[test]
fn who_shared_a_fetch_is_counted_by_what_came_of_it() {
    const SHARING: usize = 10;
    let gate = Gate::new();
    let origin = Origin::with("/good", Reply::fresh("12345").hold(&gate));
    origin.on("/bad", Reply::hang_up().hold(&gate));
    let proxyd = Daemon::caching(origin.address()).start();
    let stats = || Netctl::new().proxyd(&proxyd).json(&["cache", "stats"]);
    for path in ["/good", "/bad"] {
        let connect = |_| Client::connect(proxyd.address("http"));
        let mut clients: Vec<_> = (0..SHARING).map(connect).collect();
        clients.iter_mut().for_each(|client| client.send("GET", path, &[]).unwrap());
        origin.wait_for_requests(path, 1);
        gate.open();
        clients.iter_mut().for_each(|client| drop(client.receive("GET").unwrap()));
    }
    let stats = stats();
    let [collapsed, hits, misses, bytes] = ["collapsed", "hits", "misses", "cache_body_bytes"]
        .map(|name| stats[name].as_u64().unwrap());
    // Whoever came after the fetch had ended is a hit; nobody is answered by one that failed.
    assert_eq!(collapsed + hits, SHARING as u64 - 1, "{stats}");
    assert_eq!(misses, SHARING as u64 + 1, "{stats}");
    assert_eq!(bytes, 5 * (SHARING as u64 - 1), "what the origin did not send, the cache did");
}

#[test]
fn a_client_that_does_not_read_holds_up_nobody() {
    let body = vec![b'x'; 32 << 20];
    let origin = Origin::with("/", Reply::fresh(&body));
    let proxyd = Daemon::caching(origin.address()).start();
    let mut stuck = Client::connect(proxyd.address("http"));
    stuck.send("GET", "/", &[]).unwrap();
    stuck.receive_head().unwrap();
    let address = proxyd.address("http");
    let reader = thread::spawn(move || Client::connect(address).get("/").unwrap().body.len());
    assert_eq!(reader.join().unwrap(), body.len());
}
