//! Interim responses: from the origin to an HTTP/1.1 client, before the response that they announce.

use selat_tests::{Client, Daemon, Gate, Netctl, Origin, Reply};

fn hints(link: &str) -> Reply {
    Reply::status(103).header("link", link)
}

#[test]
fn hints_reach_the_client_while_the_origin_still_works() {
    let gate = Gate::new();
    let reply = Reply::fresh("page")
        .interim(Reply::status(102))
        .interim(hints("</style.css>; rel=preload").header("x-mine", "1"))
        .hold(&gate);
    let origin = Origin::with("/", reply);
    let proxyd = Daemon::caching(origin.address()).start();
    let mut client = Client::connect(proxyd.address("http"));
    client.send("GET", "/", &[]).unwrap();
    assert_eq!(client.receive_head().unwrap().status, 102);
    let early = client.receive_head().unwrap();
    assert_eq!((early.status, early.header("link").as_str()), (103, "</style.css>; rel=preload"));
    gate.open();
    let response = client.receive("GET").unwrap();
    assert_eq!((response.status(), response.text().as_str()), (200, "page"));
    assert_eq!((response.header("link"), response.header("x-mine")), Default::default());
}

#[test]
fn a_hit_has_the_final_response_alone() {
    let origin =
        Origin::with("/", Reply::fresh("page").interim(hints("</a>").header("x-mine", "1")));
    let proxyd = Daemon::caching(origin.address()).start();
    let mut client = Client::connect(proxyd.address("http"));
    client.send("GET", "/", &[]).unwrap();
    assert_eq!(client.receive_head().unwrap().status, 103);
    assert_eq!(client.receive("GET").unwrap().status(), 200);
    let hit = client.get("/").unwrap();
    assert_eq!(
        (hit.status(), hit.text().as_str(), hit.header("x-mine").as_str()),
        (200, "page", "")
    );
    assert_eq!(origin.count("/"), 1);
}

#[test]
fn hints_are_for_the_client_whose_request_the_origin_has_seen() {
    let (gate, end) = (Gate::new(), Gate::new());
    let reply = Reply::fresh("pa").interim(hints("</mine>")).hold(&gate);
    let origin = Origin::with("/", reply.wait(&end).piece("ge"));
    let proxyd = Daemon::caching(origin.address()).start();
    let mut leader = Client::connect(proxyd.address("http"));
    leader.send("GET", "/", &[]).unwrap();
    assert_eq!(leader.receive_head().unwrap().status, 103);
    let mut follower = Client::connect(proxyd.address("http"));
    follower.send("GET", "/", &[]).unwrap();
    gate.open();
    assert_eq!(follower.receive_head().unwrap().status, 200);
    end.open();
    assert_eq!(follower.read_exactly(4).unwrap(), b"page");
    let stats = Netctl::new().proxyd(&proxyd).json(&["cache", "stats"]);
    assert_eq!(stats["collapsed"], 1);
}

#[test]
fn each_response_on_a_pipeline_follows_its_own_hints() {
    const REQUESTS: usize = 20;
    let origin = Origin::start();
    for number in 0..REQUESTS {
        let path = format!("/{number}");
        let body = vec![b'0' + number as u8; 30_000];
        let reply = Reply::fresh(&body).interim(hints(&path));
        // Every other one has no hints; they must not take those of their neighbours.
        origin.on(&path, if number % 2 == 0 { reply } else { Reply::fresh(&body) });
    }
    let proxyd = Daemon::caching(origin.address()).start();
    let mut client = Client::connect(proxyd.address("http"));
    for number in 0..REQUESTS {
        client.send("GET", &format!("/{number}"), &[]).unwrap();
    }
    for number in 0..REQUESTS {
        if number % 2 == 0 {
            let early = client.receive_head().unwrap();
            assert_eq!((early.status, early.header("link")), (103, format!("/{number}")));
        }
        let response = client.receive("GET").unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.body, vec![b'0' + number as u8; 30_000]);
    }
}

#[test]
fn a_client_that_reads_late_still_gets_hints_in_their_place() {
    // More than the buffers between take: the second request is served while the first response is
    // still on its way.
    let large = vec![b'x'; 16 << 20];
    let origin = Origin::with("/large", Reply::fresh(&large));
    origin.on("/hinted", Reply::fresh("page").interim(hints("</a>")));
    let proxyd = Daemon::caching(origin.address()).start();
    let mut client = Client::connect(proxyd.address("http"));
    client.send("GET", "/large", &[]).unwrap();
    client.send("GET", "/hinted", &[]).unwrap();
    assert_eq!(client.receive("GET").unwrap().body.len(), large.len());
    assert_eq!(client.receive_head().unwrap().status, 103);
    assert_eq!(client.receive("GET").unwrap().text(), "page");
}

#[test]
fn fields_of_the_connection_and_of_content_stay_behind() {
    let interim = hints("</a>")
        .header("connection", "x-hop")
        .header("x-hop", "1")
        .header("keep-alive", "timeout=5")
        .header("content-length", "5");
    let origin = Origin::with("/", Reply::fresh("page").interim(interim));
    let proxyd = Daemon::caching(origin.address()).start();
    let mut client = Client::connect(proxyd.address("http"));
    client.send("GET", "/", &[]).unwrap();
    let early = client.receive_head().unwrap();
    assert_eq!((early.status, early.header("link").as_str()), (103, "</a>"));
    for name in ["connection", "x-hop", "keep-alive", "content-length"] {
        assert_eq!(early.header(name), "", "{name} was sent");
    }
    assert!(early.header("via").ends_with(" proxyd"), "{early:?}");
    assert_eq!(client.receive("GET").unwrap().text(), "page");
}

#[test]
fn an_origin_that_sends_no_end_of_hints_is_limited() {
    let endless = (0..100).fold(Reply::fresh("page"), |reply, _| reply.interim(hints("</a>")));
    let origin = Origin::with("/", endless);
    let proxyd = Daemon::caching(origin.address()).start();
    let mut client = Client::connect(proxyd.address("http"));
    client.send("GET", "/", &[]).unwrap();
    let mut hinted = 0;
    while client.receive_head().unwrap().status == 103 {
        hinted += 1;
    }
    assert_eq!(hinted, 16);
    assert_eq!(client.read_exactly(4).unwrap(), b"page");
}

#[test]
fn http_1_0_gets_no_interim_response() {
    let origin = Origin::with("/", Reply::fresh("page").interim(hints("</a>")));
    let proxyd = Daemon::caching(origin.address()).start();
    let url = proxyd.url("/");
    let (code, output) = selat_tests::curl(&["--http1.0", "--include", &url]);
    assert_eq!(code, 0);
    let text = String::from_utf8_lossy(&output).into_owned();
    assert!(!text.contains("103") && text.ends_with("page"), "{text}");
}

#[test]
fn http_2_gets_the_final_response() {
    let origin = Origin::with("/", Reply::fresh("page").interim(hints("</a>")));
    let proxyd = Daemon::caching(origin.address()).start();
    let url = proxyd.url("/");
    let (code, output) = selat_tests::curl(&["--http2-prior-knowledge", &url]);
    assert_eq!((code, output.as_slice()), (0, b"page".as_slice()));
}
