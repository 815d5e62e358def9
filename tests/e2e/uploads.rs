//! Content that clients send: slowly, without end, in chunks.

use selat_tests::{Client, Daemon, Origin, Reply};

#[test]
fn an_upload_that_was_answered_early_holds_up_nobody_else() {
    let origin = Origin::with("/upload", Reply::status(200).piece("enough").at_once());
    origin.on("/", Reply::status(200).piece("page"));
    let config = "http = []\nudp = []\n[timeouts]\nbody = \"1h\"\n";
    let proxyd = Daemon::caching(origin.address()).config(config).start();
    let mut uploading = Client::connect(proxyd.address("http"));
    uploading.send("POST", "/upload", &[("content-length", "1000000")]).unwrap();
    uploading.write("the first octets").unwrap();
    assert_eq!(uploading.receive("POST").unwrap().text(), "enough");
    // The origin still waits for the rest of the upload on its connection.
    let page = Client::connect(proxyd.address("http")).get("/").unwrap();
    assert_eq!(page.text(), "page");
}
