//! Bodies of requests: forms, files, bytes; credentials and digests.

use crate::service::{Asked, Folder, Service};
use crate::{once, refused};

/// Bytes that are no UTF-8 text.
const PICTURE: &[u8] = b"\x89PNG\r\n\x1a\n\x00\xff\xfe";

fn header<'a>(asked: &'a Asked, name: &str) -> &'a str {
    asked.headers.get(name).map_or("", String::as_str)
}

#[test]
fn files_and_bytes_are_sent_as_they_are_with_the_type_that_their_name_says() {
    let service = Service::start(|_| (200, "{}".into()));
    let folder = Folder::new()
        .with_bytes("photo.png", PICTURE)
        .with("order.json", r#"{"id": "{{id|upper}}", "n": {{n}}}"#)
        .with("raw.json", r#"{"id": "{{id}}"}"#);
    let steps = r#"
[[journeys.steps]]
request = { method = "PUT", path = "/photo", file = "photo.png" }
[[journeys.steps]]
request = { method = "POST", path = "/order", file = { path = "order.json", template = true } }
[[journeys.steps]]
request = { method = "POST", path = "/raw", file = "raw.json", headers = { Content-Type = "text/x" } }
[[journeys.steps]]
request = { method = "POST", path = "/bytes", base64 = "iVD/{{tail}}" }
[[journeys.steps]]
request = { method = "POST", path = "/form", form = { tag = ["a b", "{{id}}"], one = "1" }, query = { q = ["x", "y"] } }
"#;
    let more = "[parameters]\nid = \"ab\"\nn = 3\ntail = \"AA==\"\n";

    let ended = once(&folder, &service, more, steps);

    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let asked = service.asked();
    let sent: Vec<(&str, &str, &[u8])> = asked
        .iter()
        .map(|a| {
            (
                a.path.as_str(),
                header(a, "content-type"),
                a.bytes.as_slice(),
            )
        })
        .collect();
    let expected: [(&str, &str, &[u8]); 5] = [
        ("/photo", "image/png", PICTURE),
        ("/order", "application/json", br#"{"id": "AB", "n": 3}"#),
        ("/raw", "text/x", br#"{"id": "{{id}}"}"#),
        ("/bytes", "application/octet-stream", b"\x89\x50\xff\x00"),
        (
            "/form?q=x&q=y",
            "application/x-www-form-urlencoded",
            b"one=1&tag=a%20b&tag=ab",
        ),
    ];
    assert_eq!(sent, expected);
}

#[test]
fn a_multipart_body_has_its_parts_in_order_and_a_boundary_of_its_own() {
    let service = Service::start(|_| (200, "{}".into()));
    let folder = Folder::new().with_bytes("photo.png", PICTURE);
    let steps = r#"
[[journeys.steps]]
repeat = 2
[journeys.steps.request]
method = "POST"
path = "/upload"
multipart = [
  { name = "title", text = "say \"{{word}}\"" },
  { name = "a\"b", body = { n = "{{n}}" } },
  { name = "photo", file = "photo.png" },
  { name = "other", filename = "x-{{n}}.bin", type = "application/x-thing", base64 = "/w==" },
]
"#;

    let ended = once(
        &folder,
        &service,
        "[parameters]\nword = \"ü\"\nn = 3\n",
        steps,
    );

    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let asked = service.asked();
    let boundary = |asked: &Asked| {
        let value = header(asked, "content-type");
        let boundary = value.strip_prefix("multipart/form-data; boundary=");
        boundary.unwrap_or_else(|| panic!("{value}")).to_owned()
    };
    assert_ne!(boundary(&asked[0]), boundary(&asked[1]));
    let b = boundary(&asked[0]);
    let mut expected = format!(
        "--{b}\r\ncontent-disposition: form-data; name=\"title\"\r\n\r\nsay \"ü\"\r\n\
         --{b}\r\ncontent-disposition: form-data; name=\"a%22b\"\r\ncontent-type: application/json\r\n\r\n{{\"n\":3}}\r\n\
         --{b}\r\ncontent-disposition: form-data; name=\"photo\"; filename=\"photo.png\"\r\ncontent-type: image/png\r\n\r\n"
    )
    .into_bytes();
    expected.extend_from_slice(PICTURE);
    expected.extend_from_slice(
        format!(
            "\r\n--{b}\r\ncontent-disposition: form-data; name=\"other\"; filename=\"x-3.bin\"\r\ncontent-type: application/x-thing\r\n\r\n"
        )
        .as_bytes(),
    );
    expected.extend_from_slice(b"\xff\r\n");
    expected.extend_from_slice(format!("--{b}--\r\n").as_bytes());
    assert_eq!(asked[0].bytes, expected, "{}", asked[0].body);
}

#[test]
fn credentials_and_digests_are_what_their_standards_say() {
    let service = Service::start(|_| (200, r#"{"token": "t-1"}"#.into()));
    let folder = Folder::new();
    let steps = r#"
[[journeys.steps]]
request = { method = "GET", path = "/login", auth = { basic = { user = "Aladdin", password = "open {{what}}" } } }
extract = { token = "/token" }
[[journeys.steps]]
request = { method = "GET", path = "/me", auth = { bearer = "{{token}}" } }
[[journeys.steps]]
request = { method = "POST", path = "/hook", body = { what = "{{what}}" }, headers = { x-signature = "sha256={{request.body|hmac:key}}", x-short = "{{request.body|hmac:key:base64}}" } }
[[journeys.steps]]
request = { method = "GET", path = "/{{what|sha256}}", query = { a = "{{odd|base64}}", b = "{{odd|base64url}}", c = "{{odd|base64|base64_decode}}", d = "{{odd|base64url|base64_decode}}" } }
"#;
    let more = "[parameters]\nwhat = \"sesame\"\nkey = \"k\"\nodd = \"?>~\"\n";

    let ended = once(&folder, &service, more, steps);

    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let asked = service.asked();
    // The example of RFC 7617.
    assert_eq!(
        header(&asked[0], "authorization"),
        "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    );
    assert_eq!(header(&asked[1], "authorization"), "Bearer t-1");
    // Made by `printf '{"what":"sesame"}' | openssl dgst -sha256 -hmac k`.
    assert_eq!(asked[2].body, r#"{"what":"sesame"}"#);
    assert_eq!(
        header(&asked[2], "x-signature"),
        "sha256=97c9de287290112df69704a629fd97ffb1fcbff0bc2d465a5a672d2e78e84954"
    );
    assert_eq!(
        header(&asked[2], "x-short"),
        "l8neKHKQES32lwSmKf2X/7H8v/C8LUZaWmctLnjoSVQ="
    );
    assert_eq!(
        asked[3].path,
        "/d0c04f4b1951e4aeaaec8223ed2039e542f3aae805a6fa7f6d794e5afff5d272?a=Pz5%2B&b=Pz5-&c=%3F%3E~&d=%3F%3E~"
    );
}

#[test]
fn what_can_not_be_sent_is_refused_with_its_place() {
    let folder = Folder::new().with_bytes("photo.png", PICTURE);
    let request = |more: &str| {
        format!("[[journeys.steps]]\nrequest = {{ method = \"POST\", path = \"/\", {more} }}\n")
    };
    for (wrong, says) in [
        ("file = \"absent.bin\"", vec!["can't read absent.bin"]),
        (
            "file = \"{{number}}.bin\"",
            vec!["its path is fixed", "template = true"],
        ),
        (
            "file = { path = \"photo.png\", template = true }",
            vec!["not UTF-8"],
        ),
        ("file = { path = \"photo.png\", size = 1 }", vec!["size"]),
        (
            "text = \"a\", form = { a = \"b\" }",
            vec!["one body", "multipart"],
        ),
        ("base64 = \"a?\"", vec!["not base64"]),
        ("multipart = []", vec!["without a part"]),
        ("multipart = [{ name = \"a\" }]", vec!["one content"]),
        (
            "multipart = [{ name = \"a\", text = \"b\" }], headers = { content-type = \"x/y\" }",
            vec!["content type of its own"],
        ),
        ("auth = {}", vec!["one kind of credentials", "basic"]),
        (
            "auth = { basic = { user = \"a:b\", password = \"c\" } }",
            vec!["colon"],
        ),
        (
            "auth = { bearer = \"t\" }, headers = { Authorization = \"x\" }",
            vec!["allowed: one of them"],
        ),
        ("text = \"{{number|hmac}}\"", vec!["hmac:env.SECRET"]),
        (
            "text = \"{{number|hmac:kye}}\"",
            vec!["unknown variable `kye`"],
        ),
        (
            "text = \"{{number|sha256:octal}}\"",
            vec!["hex, base64, base64url"],
        ),
        (
            "text = \"{{request.body}}\"",
            vec!["unknown variable `request`"],
        ),
    ] {
        refused(&folder, "", &request(wrong), &says);
    }
}
