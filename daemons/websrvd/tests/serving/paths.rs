//! What is served and what never is, by any spelling.

use std::{
    fs,
    os::unix::{fs::symlink, net::UnixListener},
    process::Command,
};

use crate::harness::{Server, write};

const SECRET: &[u8] = b"not for anyone's eyes";

fn site() -> Server {
    let server = Server::of(&[
        ("index.html", b"start"),
        ("docs/index.html", b"docs"),
        ("docs/guide.html", b"guide"),
        ("empty/.keep", b""),
        ("with space/été %.txt", b"summer"),
        (".git/config", SECRET),
        (".env", SECRET),
        (".well-known/security.txt", b"contact"),
        (".well-known/.hidden", SECRET),
    ]);
    fs::write(server.beside("secret.txt"), SECRET).unwrap();
    server
}

#[test]
fn a_file_is_served_by_its_path_and_a_directory_by_its_index() {
    let server = site();
    for (target, body) in [
        ("/", "start"),
        ("/index.html", "start"),
        ("/index.html?version=2", "start"),
        ("/docs/", "docs"),
        ("//docs//guide.html", "guide"),
        ("/docs/../docs/./guide.html", "guide"),
        ("/docs/%67uide.html", "guide"),
        ("/with%20space/%C3%A9t%C3%A9%20%25.txt", "summer"),
        ("/.well-known/security.txt", "contact"),
        ("http://test/docs/guide.html", "guide"),
    ] {
        let reply = server.get(target);
        assert_eq!(reply.status, 200, "{target}");
        assert_eq!(String::from_utf8_lossy(&reply.body), body, "{target}");
    }
}

#[test]
fn no_spelling_of_a_path_leads_out_of_the_root() {
    let server = site();
    let absolute = server.beside("secret.txt");
    let spellings = [
        "/../secret.txt",
        "/../../../../../../etc/passwd",
        "/docs/../../secret.txt",
        "/..%2fsecret.txt",
        "/%2e%2e/secret.txt",
        "/%2e%2e%2fsecret.txt",
        "/%2E%2E/%2E%2E/etc/passwd",
        "/.%2e/secret.txt",
        "/docs/%2e%2e/%2e%2e/secret.txt",
        "/%252e%252e/secret.txt",
        "/..\\secret.txt",
        "/..%5csecret.txt",
        "/%c0%ae%c0%ae/secret.txt",
        "/..;/secret.txt",
        "/....//secret.txt",
        "//etc/passwd",
        "/%2fetc/passwd",
        "/file:///etc/passwd",
        "/secret.txt%00.html",
        "/%00",
        "/..",
        "/../",
        "/./../secret.txt",
        "/proc/self/environ",
        absolute.to_str().unwrap(),
    ];
    for target in spellings {
        let reply = server.get(target);
        let body = String::from_utf8_lossy(&reply.body);
        let start = reply.status == 200 && body == "start";
        assert!(start || [400, 404].contains(&reply.status), "{target}: {}", reply.status);
        assert!(!body.contains("root:") && !reply.body.ends_with(SECRET), "{target}");
    }
}

#[test]
fn curl_sends_a_path_as_it_is_and_gets_nothing_from_outside() {
    let server = site();
    let url = format!("http://{}/../secret.txt", server.http());
    let curl = Command::new("curl")
        .args(["--silent", "--path-as-is", "--write-out", "%{http_code}", "--output", "/dev/null"])
        .arg(url)
        .output()
        .expect("curl is installed");
    assert_eq!(curl.stdout, b"404");
}

#[test]
fn a_symbolic_link_is_followed_only_inside_the_root() {
    let server = site();
    let root = server.root();
    for (link, target) in [
        ("inside.html", "docs/guide.html"),
        ("docs/up.html", "../index.html"),
        ("manual", "docs"),
        ("outside.txt", "../secret.txt"),
        ("absolute.txt", server.beside("secret.txt").to_str().unwrap()),
        ("absolute-inside.txt", root.join("index.html").to_str().unwrap()),
        ("parent", ".."),
        ("loop", "loop"),
        ("dangling", "nowhere"),
        ("process", "/proc/self/root"),
    ] {
        symlink(target, root.join(link)).unwrap();
    }
    for (target, status) in [
        ("/inside.html", 200),
        ("/docs/up.html", 200),
        ("/manual/guide.html", 200),
        ("/manual", 301),
        ("/outside.txt", 404),
        ("/absolute.txt", 404),
        ("/absolute-inside.txt", 404),
        ("/parent", 404),
        ("/parent/secret.txt", 404),
        ("/parent/www/index.html", 404),
        ("/loop", 404),
        ("/dangling", 404),
        ("/process/etc/passwd", 404),
    ] {
        assert_eq!(server.get(target).status, status, "{target}");
    }
}

#[test]
fn names_that_begin_with_a_dot_are_not_there() {
    let server = site();
    for target in [
        "/.env",
        "/%2eenv",
        "/.git/config",
        "/.git",
        "/.git/",
        "/docs/../.git/config",
        "/empty/.keep",
        "/.well-known/.hidden",
        "/docs/.well-known/x",
    ] {
        let reply = server.get(target);
        assert_eq!(reply.status, 404, "{target}");
        assert!(!reply.body.ends_with(SECRET));
    }
}

#[test]
fn what_is_no_regular_file_is_not_served_and_keeps_nobody_waiting() {
    let server = site();
    let root = server.root();
    let fifo = Command::new("mkfifo").arg(root.join("fifo")).status().unwrap();
    assert!(fifo.success());
    let _socket = UnixListener::bind(root.join("socket")).unwrap();
    write(&root.join("index-dir/index.html/x"), b"");
    for target in ["/fifo", "/socket", "/empty/", "/index-dir/", "/index.html/", "/index.html/x"] {
        assert_eq!(server.get(target).status, 404, "{target}");
    }
    let long = format!("/{}", "n".repeat(300));
    assert_eq!(server.get(&long).status, 404);
}

#[test]
fn a_directory_without_its_slash_redirects_on_this_host() {
    let server = site();
    fs::create_dir_all(format!("{}/\\evil.example", server.root().display())).unwrap();
    fs::create_dir_all(server.root().join("evil.example")).unwrap();
    for (target, location) in [
        ("/docs", "/docs/"),
        ("/docs?page=2&x=%2F", "/docs/?page=2&x=%2F"),
        ("/docs?", "/docs/?"),
        ("/with%20space", "/with%20space/"),
        ("//evil.example", "/evil.example/"),
        ("///evil.example", "/evil.example/"),
        ("/.//evil.example", "/evil.example/"),
        ("/%5cevil.example", "/%5Cevil.example/"),
        ("/\\evil.example", "/%5Cevil.example/"),
        ("http://test/docs", "/docs/"),
    ] {
        let reply = server.get(target);
        assert_eq!((reply.status, reply.field("location")), (301, location), "{target}");
    }
}

#[test]
fn a_tree_of_thousands_of_files_is_served_byte_for_byte() {
    let kinds = ["html", "css", "js", "json", "svg", "png", "txt", "bin", "wasm", "md"];
    let server = site();
    // From none to some 150 KiB, across the sizes of pages and reads; no two begin alike.
    let shared: Vec<u8> = (0..160_000_u32).map(|at| (at * 31 + at / 251) as u8).collect();
    let content = |number: usize| &shared[number..number + (number * number * 7) % 150_001];
    for number in 0..2_000 {
        let name = format!("tree/{}/{number}.{}", number % 40, kinds[number % kinds.len()]);
        write(&server.root().join(name), content(number));
    }
    let mut client = server.connect();
    for number in 0..2_000 {
        let kind = kinds[number % kinds.len()];
        let reply = client.request("GET", &format!("/tree/{}/{number}.{kind}", number % 40), &[]);
        assert_eq!(reply.status, 200, "{number}");
        assert!(reply.body == content(number), "{number}.{kind} is another");
    }
}
