//! What is on its way into the cache: how much memory and how many connections it may take.

use selat_tests::{Client, Daemon, Gate, Netctl, Origin, Reply};

#[test]
fn a_response_without_memory_to_fill_passes_through_whole() {
    let body = vec![b'x'; 2 << 20];
    let origin = Origin::with("/", Reply::fresh(&body));
    let config = "http = []\nudp = []\n[cache]\nfilling_memory = \"1MiB\"\n";
    let proxyd = Daemon::caching(origin.address()).config(config).start();
    let mut client = Client::connect(proxyd.address("http"));
    for fetches in [1, 2] {
        assert!(client.get("/").unwrap().body == body);
        assert_eq!(origin.count("/"), fetches);
    }
    origin.on("/small", Reply::fresh("small"));
    for _ in 0..2 {
        assert_eq!(client.get("/small").unwrap().text(), "small");
    }
    assert_eq!(origin.count("/small"), 1, "the memory is free again");
    let stats = Netctl::new().proxyd(&proxyd).json(&["cache", "stats"]);
    assert_eq!(stats["not_stored_by_reason"]["no_room"].as_u64(), Some(2));
}

#[test]
fn a_request_waits_for_one_of_the_connections_that_an_origin_may_have() {
    let gate = Gate::new();
    let origin = Origin::with("/long", Reply::status(200).piece("lo").wait(&gate).piece("ng"));
    origin.on("/", Reply::status(200).piece("page"));
    let config = "http = []\nudp = []\n[limits]\norigin_connections = 1\n";
    let proxyd = Daemon::caching(origin.address()).config(config).start();
    let mut long = Client::connect(proxyd.address("http"));
    long.send("GET", "/long", &[]).unwrap();
    assert_eq!(long.receive_head().unwrap().status, 200);
    let mut waiting = Client::connect(proxyd.address("http"));
    waiting.send("GET", "/", &[]).unwrap();
    gate.open();
    assert_eq!(waiting.receive("GET").unwrap().text(), "page");
    assert_eq!(long.read_exactly(4).unwrap(), b"long");
}

#[test]
fn a_request_that_gets_no_connection_in_time_is_told_so() {
    let gate = Gate::new();
    let origin = Origin::with("/long", Reply::status(200).piece("lo").wait(&gate).piece("ng"));
    let config = "http = []\nudp = []\n[limits]\norigin_connections = 1\n\
                  [timeouts]\nconnect = \"100ms\"\n";
    let proxyd = Daemon::caching(origin.address()).config(config).start();
    let mut long = Client::connect(proxyd.address("http"));
    long.send("GET", "/long", &[]).unwrap();
    assert_eq!(long.receive_head().unwrap().status, 200);
    assert_eq!(Client::connect(proxyd.address("http")).get("/").unwrap().status(), 504);
    assert_eq!(origin.count("/"), 0);
    gate.open();
}
