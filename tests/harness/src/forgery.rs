//! Tokens that nobody should accept, and some that everybody should although they look odd.

use std::sync::LazyLock;

use arcadia_local::issuer::{AUDIENCE, ISSUER, Issuer};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use rsa::RsaPrivateKey;
use rsa::pkcs1::EncodeRsaPublicKey as _;
use rsa::pkcs8::{DecodePrivateKey as _, EncodePublicKey as _};
use rsa::traits::PublicKeyParts as _;
use serde_json::{Value, json};

use super::shop::merged;
use super::world::{ACME, claims, issuer, issuer_key};

/// The most that a forger could want: the claims of a `platform_admin` that are valid for ever.
static CLAIMS: LazyLock<Value> = LazyLock::new(|| claims("ada", "platform_admin", None));
/// The issuer's key, which forgers do not have; here it signs what a careless issuer, or a confused one, might.
static KEY: LazyLock<EncodingKey> = LazyLock::new(|| EncodingKey::from_rsa_pem(issuer_key().as_bytes()).unwrap());
static RSA_KEY: LazyLock<RsaPrivateKey> = LazyLock::new(|| RsaPrivateKey::from_pkcs8_pem(issuer_key()).unwrap());
/// A forger's own issuer.
static FORGER: LazyLock<Issuer> = LazyLock::new(|| Issuer::generate().unwrap());

/// A way of sending a token, or not.
pub struct Forgery {
    pub name: String,
    /// Whole lines of headers.
    pub headers: Vec<Vec<u8>>,
    pub query: String,
    /// Instead of the body that the route would accept.
    pub body: Option<String>,
    pub status: u16,
    pub code: &'static str,
}

impl Forgery {
    pub fn of(name: &str, headers: Vec<Vec<u8>>) -> Self {
        let name = name.to_owned();
        Self { name, headers, query: String::new(), body: None, status: 401, code: "unauthenticated" }
    }

    pub fn token(name: &str, token: &str) -> Self {
        Self::of(name, vec![line(token)])
    }

    fn forbidden(name: &str, claims: &Value, code: &'static str) -> Self {
        Self { status: 403, code, ..Self::token(name, &signed(&claims.to_string())) }
    }
}

/// Every forgery at the moment `now_s`.
pub fn corpus(now_s: i64) -> Vec<Forgery> {
    let mut found = wrong_algorithms();
    found.extend(wrong_keys());
    found.extend(wrong_headers());
    found.extend(wrong_claims(now_s));
    found.extend(wrong_roles());
    found.extend(wrong_payloads());
    found.extend(wrong_forms());
    found.extend(wrong_places());
    found
}

pub fn admin_claims() -> &'static Value {
    &CLAIMS
}

fn line(token: &str) -> Vec<u8> {
    format!("Authorization: Bearer {token}").into_bytes()
}

fn encoded(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// The header of an honest token with other members put over it.
fn header(other: Value) -> String {
    merged(json!({"typ": "JWT", "alg": "RS256", "kid": issuer().key_id()}), other).to_string()
}

/// Signs any header and payload by RS256 with the issuer's key.
fn signed_with_header(header: &str, payload: &str) -> String {
    signed_by(header, payload, &KEY, Algorithm::RS256)
}

fn signed(payload: &str) -> String {
    signed_with_header(&header(json!({})), payload)
}

fn signed_by(header: &str, payload: &str, key: &EncodingKey, algorithm: Algorithm) -> String {
    let message = format!("{}.{}", encoded(header), encoded(payload));
    let signature = crypto::sign(message.as_bytes(), key, algorithm).expect("a signature");
    format!("{message}.{signature}")
}

/// The claims with one of them changed, or left out if it is changed to null.
fn with(name: &str, value: Value) -> Value {
    let mut claims = CLAIMS.clone();
    let fields = claims.as_object_mut().expect("an object");
    if value.is_null() {
        fields.remove(name);
    } else {
        fields.insert(name.to_owned(), value);
    }
    claims
}

fn wrong_algorithms() -> Vec<Forgery> {
    let claims = CLAIMS.to_string();
    let mut found = Vec::new();
    let honest = signed(&claims);
    let signature = honest.rsplit('.').next().expect("a signature");
    for alg in ["none", "None", "NONE", "nOnE", "", "rs256", "RS256 ", "RSA", "HS256", "ES256", "EdDSA"] {
        let unsigned = format!("{}.{}", encoded(&header(json!({"alg": alg}))), encoded(&claims));
        found.push(Forgery::token(&format!("alg {alg:?} without a signature"), &format!("{unsigned}.")));
        found
            .push(Forgery::token(&format!("alg {alg:?} with another's signature"), &format!("{unsigned}.{signature}")));
    }
    let public = RSA_KEY.to_public_key();
    let modulus = public.n().to_bytes_be();
    for (name, secret) in [
        ("the public key as PEM", issuer().public_key_pem().as_bytes().to_vec()),
        ("the public key as PEM, trimmed", issuer().public_key_pem().trim().as_bytes().to_vec()),
        ("the public key as PKCS#1 DER", public.to_pkcs1_der().unwrap().as_bytes().to_vec()),
        ("the public key as PKCS#8 DER", public.to_public_key_der().unwrap().as_bytes().to_vec()),
        ("the modulus", modulus.clone()),
        ("the modulus as in a JWK", encoded_bytes(&modulus).into_bytes()),
        ("the key's id", issuer().key_id().as_bytes().to_vec()),
        ("nothing", Vec::new()),
    ] {
        let secret = EncodingKey::from_secret(&secret);
        for (alg, algorithm) in [("HS256", Algorithm::HS256), ("HS512", Algorithm::HS512), ("RS256", Algorithm::HS256)]
        {
            let token = signed_by(&header(json!({"alg": alg})), &claims, &secret, algorithm);
            found.push(Forgery::token(&format!("alg {alg}, an HMAC with {name} for a secret"), &token));
        }
    }
    for (alg, algorithm) in [
        ("RS384", Algorithm::RS384),
        ("RS512", Algorithm::RS512),
        ("PS256", Algorithm::PS256),
        ("RS256", Algorithm::RS512),
        ("RS256", Algorithm::PS256),
        ("RS512", Algorithm::RS256),
        ("ES256", Algorithm::RS256),
    ] {
        let token = signed_by(&header(json!({"alg": alg})), &claims, &KEY, algorithm);
        found.push(Forgery::token(&format!("alg {alg}, signed by {algorithm:?}"), &token));
    }
    let zeros = format!("{}.{}", encoded(&header(json!({"alg": "ES256"}))), encoded(&claims));
    found.push(Forgery::token("alg ES256, all zeros", &format!("{zeros}.{}", encoded_bytes(&[0; 64]))));
    found
}

fn encoded_bytes(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn wrong_keys() -> Vec<Forgery> {
    let claims = CLAIMS.to_string();
    let forger = RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).expect("a key");
    let der = rsa::pkcs1::EncodeRsaPrivateKey::to_pkcs1_der(&forger).unwrap();
    let key = EncodingKey::from_rsa_der(der.as_bytes());
    let jwk = json!({
        "kty": "RSA", "use": "sig", "alg": "RS256", "kid": issuer().key_id(),
        "n": encoded_bytes(&forger.n().to_bytes_be()), "e": encoded_bytes(&forger.e().to_bytes_be()),
    });
    let certificate = STANDARD.encode(forger.to_public_key().to_public_key_der().unwrap().as_bytes());
    let url = "https://forger.example/keys";
    let mut found = vec![Forgery::token("another issuer's", &FORGER.sign(&CLAIMS).unwrap())];
    for (name, members) in [
        ("our key's id", json!({})),
        ("an embedded jwk", json!({"jwk": jwk})),
        ("an embedded jwk and its own id", json!({"jwk": jwk, "kid": "forger"})),
        ("a jku", json!({"jku": url})),
        ("an x5u", json!({"x5u": url})),
        ("an x5c", json!({"x5c": [certificate]})),
        ("all of them", json!({"jwk": jwk, "jku": url, "x5u": url, "x5c": [certificate], "x5t": "forger"})),
    ] {
        let token = signed_by(&header(members), &claims, &key, Algorithm::RS256);
        found.push(Forgery::token(&format!("signed by the forger, with {name}"), &token));
    }
    for (name, kid) in [
        ("another", json!("another")),
        ("none", Value::Null),
        ("an empty one", json!("")),
        ("a path", json!("../../../../dev/null")),
        ("SQL", json!("x' UNION SELECT 'key' --")),
        ("a command", json!("| id")),
        ("a NUL", json!(format!("{}\0", issuer().key_id()))),
        ("one of other case", json!(issuer().key_id().to_lowercase())),
        ("a list", json!([issuer().key_id()])),
        ("a number", json!(0)),
    ] {
        let token = signed_with_header(&header(json!({"kid": kid})), &claims);
        found.push(Forgery::token(&format!("kid is {name}"), &token));
    }
    found
}

/// Headers that demand or are more than is understood: RFC 7515, sections 4 and 4.1.11, and RFC 7797, section 7.
fn wrong_headers() -> Vec<Forgery> {
    let claims = CLAIMS.to_string();
    let honest = header(json!({}));
    let twice = |name: &str, value: &str| honest.replacen('{', &format!("{{\"{name}\":\"{value}\","), 1);
    let mut found = Vec::new();
    for (name, header) in [
        ("crit of an unknown extension", header(json!({"crit": ["exp"], "exp": 0}))),
        ("crit of nothing", header(json!({"crit": []}))),
        ("crit that is no list", header(json!({"crit": true}))),
        ("b64 that is critical", header(json!({"b64": false, "crit": ["b64"]}))),
        ("b64 that is not", header(json!({"b64": false}))),
        ("typ that is a number", header(json!({"typ": 1}))),
        ("cty that is a list", header(json!({"cty": ["JWT"]}))),
        ("alg that is a list", header(json!({"alg": ["RS256", "none"]}))),
        ("alg twice, ours last", twice("alg", "none")),
        ("kid twice, ours last", twice("kid", "another")),
        ("a header that is a list", format!("[{honest}]")),
        ("a header that is no JSON", "RS256".to_owned()),
        ("a header with something after it", format!("{honest}{{}}")),
    ] {
        found.push(Forgery::token(name, &signed_with_header(&header, &claims)));
    }
    let message = format!("{}.{claims}", encoded(&header(json!({"b64": false}))));
    let signature = crypto::sign(message.as_bytes(), &KEY, Algorithm::RS256).unwrap();
    found.push(Forgery::token("a payload as it is, by b64", &format!("{message}.{signature}")));
    found
}

fn wrong_claims(now_s: i64) -> Vec<Forgery> {
    let mut found = Vec::new();
    for (name, value) in [
        ("iss", Value::Null),
        ("iss", json!("https://issuer.example")),
        ("iss", json!(format!("{ISSUER}/"))),
        ("iss", json!(ISSUER.to_uppercase())),
        ("iss", json!(format!("{ISSUER}.forger.example"))),
        ("iss", json!([ISSUER])),
        ("aud", Value::Null),
        ("aud", json!("another")),
        ("aud", json!("")),
        ("aud", json!([])),
        ("aud", json!(["another"])),
        ("aud", json!([[AUDIENCE]])),
        ("aud", json!(format!("{AUDIENCE} another"))),
        ("aud", json!({AUDIENCE: true})),
        ("exp", Value::Null),
        ("exp", json!(now_s)),
        ("exp", json!(now_s - 1)),
        ("exp", json!(0)),
        ("exp", json!(-1)),
        ("exp", json!(i64::MIN)),
        ("exp", json!("253402300799")),
        ("exp", json!(253_402_300_799.5)),
        ("exp", json!(1e300)),
        ("exp", json!(u64::MAX)),
        ("exp", json!([253_402_300_799_i64])),
        ("exp", json!(true)),
        ("nbf", json!(now_s + 1)),
        ("nbf", json!(i64::MAX)),
        ("nbf", json!("0")),
        ("iat", json!(now_s + 1)),
        ("iat", json!({})),
        ("sub", Value::Null),
        ("sub", json!("")),
        ("sub", json!(" ")),
        ("sub", json!("ada\0")),
        ("sub", json!("ada\r\nx-role: platform_admin")),
        ("sub", json!("x".repeat(256))),
        ("sub", json!({"id": "ada"})),
        // The product's own name in its history.
        ("sub", json!("system:billing")),
    ] {
        let token = signed(&with(name, value.clone()).to_string());
        found.push(Forgery::token(&format!("{name} is {}", brief(&value)), &token));
    }
    // API Gateway takes the client_id of a token without an audience for one. Our issuer's tokens always have one.
    let mut client = with("aud", Value::Null);
    client["client_id"] = AUDIENCE.into();
    found.push(Forgery::token("a client_id for an audience", &signed(&client.to_string())));
    found
}

fn brief(value: &Value) -> String {
    value.to_string().chars().take(40).collect()
}

/// Valid tokens of nobody whom the product knows.
fn wrong_roles() -> Vec<Forgery> {
    let mut found = Vec::new();
    for role in [
        Value::Null,
        json!(""),
        json!("root"),
        json!("Platform_Admin"),
        json!(" platform_admin"),
        json!("platform_admin\0"),
        json!("platform\u{200b}_admin"),
        json!(["platform_admin"]),
        json!(["tenant_user", "platform_admin"]),
        json!({"name": "platform_admin"}),
        json!({"platform_admin": true}),
        json!(1),
        json!(true),
    ] {
        let name = format!("role is {}", brief(&role));
        found.push(Forgery::forbidden(&name, &with("role", role), "role_required"));
    }
    for tenant in [
        Value::Null,
        json!(""),
        json!(" "),
        json!("acme "),
        json!("acme#globex"),
        json!("a/../acme"),
        json!("acme\0"),
        json!("*"),
        json!("\u{430}cme"),
        json!("x".repeat(300)),
        json!([ACME]),
        json!({"id": ACME}),
    ] {
        let mut claims = with("tenant_id", tenant.clone());
        claims["role"] = "tenant_user".into();
        found.push(Forgery::forbidden(&format!("tenant is {}", brief(&tenant)), &claims, "tenant_required"));
    }
    found
}

fn wrong_payloads() -> Vec<Forgery> {
    let claims = CLAIMS.to_string();
    let twice = |name: &str, value: &str| claims.replacen('{', &format!("{{\"{name}\":\"{value}\","), 1);
    [
        ("empty payload", String::new()),
        ("payload that is no JSON", "platform_admin".to_owned()),
        ("payload that is null", "null".to_owned()),
        ("payload that is a text", "\"ada\"".to_owned()),
        ("payload that is a list", format!("[{claims}]")),
        ("payload with something after it", format!("{claims}{{}}")),
        ("a token in a token", signed(&claims)),
        ("two sub", twice("sub", "bob")),
        ("two role", twice("role", "tenant_user")),
        ("two role, one of them escaped", claims.replacen('{', "{\"r\\u006fle\":\"tenant_user\",", 1)),
        ("two iss", twice("iss", "https://issuer.example")),
        ("two exp", claims.replacen('{', "{\"exp\":0,", 1)),
    ]
    .into_iter()
    .map(|(name, payload)| Forgery::token(name, &signed(&payload)))
    .collect()
}

fn wrong_forms() -> Vec<Forgery> {
    let honest = signed(&CLAIMS.to_string());
    let [header, payload, signature] = honest.split('.').collect::<Vec<_>>().try_into().expect("three parts");
    let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let mut flipped = bytes.clone();
    flipped[100] ^= 1;
    let of = |signature: &str| format!("{header}.{payload}.{signature}");
    // The last letter of 256 bytes has four bits to spare.
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = alphabet.find(&signature[signature.len() - 1..]).unwrap();
    let spare = format!("{}{}", &signature[..signature.len() - 1], &alphabet[last + 1..=last + 1]);
    let other = encoded(&claims("eve", "platform_admin", None).to_string());
    // Padding and the standard alphabet, signed as such.
    let standard = |payload: &str| {
        let message = format!("{header}.{payload}");
        format!("{message}.{}", crypto::sign(message.as_bytes(), &KEY, Algorithm::RS256).unwrap())
    };
    let odd = with("note", json!(">>>>>?????")).to_string();
    // Three bytes become four letters; only another number of bytes is padded.
    let odd = if odd.len().is_multiple_of(3) { format!("{odd} ") } else { odd };
    let json = json!({"payload": payload, "signatures": [{"protected": header, "signature": signature}]});
    let flattened = json!({"payload": payload, "protected": header, "signature": signature});
    let jwe = encoded(&json!({"alg": "RSA-OAEP", "enc": "A256GCM", "kid": issuer().key_id()}).to_string());
    let long = signed(&with("note", json!("x".repeat(64 * 1024))).to_string());
    [
        ("garbage", "garbage".to_owned()),
        ("three garbled parts", "a.b.c".to_owned()),
        ("three empty parts", "..".to_owned()),
        ("no signature", format!("{header}.{payload}")),
        ("a signature of no length", of("")),
        ("a signature cut short", of(&signature[..signature.len() - 4])),
        ("a signature of one byte more", of(&encoded_bytes(&[&bytes[..], &[0]].concat()))),
        ("a signature of zeros", of(&encoded_bytes(&[0; 256]))),
        ("a signature with one bit turned", of(&encoded_bytes(&flipped))),
        ("a signature with its spare bits set", of(&spare)),
        ("a signature with padding", of(&URL_SAFE.encode(&bytes))),
        ("a signature in the standard alphabet", of(&STANDARD_NO_PAD.encode(&bytes))),
        ("another's claims", format!("{header}.{other}.{signature}")),
        ("a payload with padding", standard(&URL_SAFE.encode(&odd))),
        ("a payload in the standard alphabet", standard(&STANDARD_NO_PAD.encode(&odd))),
        ("whitespace inside", format!("{header}. {payload}.{signature}")),
        ("a letter too many", format!("{honest}A")),
        ("a fourth part", format!("{honest}.{signature}")),
        ("a part before it", format!("{header}.{honest}")),
        ("a JWE", format!("{jwe}.{header}.{payload}.{payload}.{signature}")),
        ("the general JSON serialisation", json.to_string()),
        ("the flattened JSON serialisation", flattened.to_string()),
        ("64 KiB and more, signed", long),
        ("quotes around it", format!("\"{honest}\"")),
        ("percent-encoded dots", honest.replace('.', "%2E")),
    ]
    .into_iter()
    .map(|(name, token)| Forgery::token(name, &token))
    .collect()
}

/// An honest token, but not as the one token of an `Authorization` header.
fn wrong_places() -> Vec<Forgery> {
    let honest = signed(&CLAIMS.to_string());
    let forged = FORGER.sign(&CLAIMS).unwrap();
    let plain = |text: String| vec![text.into_bytes()];
    let mut found = vec![
        Forgery::of("nothing", Vec::new()),
        Forgery::of("two headers, valid first", vec![line(&honest), line(&forged)]),
        Forgery::of("two headers, valid last", vec![line(&forged), line(&honest)]),
        Forgery::of("two headers, both valid", vec![line(&honest), line(&honest)]),
        Forgery::of("two headers, one empty", vec![b"authorization:".to_vec(), line(&honest)]),
        Forgery::of("two tokens in one header", vec![line(&format!("{honest}, Bearer {forged}"))]),
        Forgery::of("two tokens in one header, valid last", vec![line(&format!("{forged},Bearer {honest}"))]),
        Forgery::of("bytes beyond ASCII", vec![[line(&honest), vec![0xff]].concat()]),
        Forgery::of("letters beyond ASCII", plain(format!("Authorization: Be\u{e4}rer {honest}"))),
    ];
    for (name, value) in [
        ("an empty header", String::new()),
        ("a scheme alone", "Bearer".to_owned()),
        ("a scheme and a space", "Bearer ".to_owned()),
        // API Gateway takes a bare token too; RFC 6750 wants the scheme, and so does the local gateway.
        ("no scheme", honest.clone()),
        ("another scheme", format!("Basic {honest}")),
        ("DPoP", format!("DPoP {honest}")),
        ("the scheme twice", format!("Bearer Bearer {honest}")),
        ("a tab for the space", format!("Bearer\t{honest}")),
        // RFC 9110 allows more spaces than one, RFC 6750's grammar too; nobody sends them, so one it is.
        ("two spaces", format!("Bearer  {honest}")),
        ("a comma for the space", format!("Bearer,{honest}")),
        ("a parameter", format!("Bearer token={honest}")),
    ] {
        found.push(Forgery::of(name, plain(format!("Authorization: {value}"))));
    }
    for name in ["Proxy-Authorization", "X-Authorization", "X-Forwarded-Authorization", "X-Amzn-Oidc-Data"] {
        found.push(Forgery::of(&format!("in {name}"), plain(format!("{name}: Bearer {honest}"))));
    }
    found.push(Forgery::of(
        "in a cookie",
        plain(format!("Cookie: Authorization=Bearer {honest}; access_token={honest}")),
    ));
    found.push(Forgery {
        query: format!("access_token={honest}&Authorization=Bearer+{honest}"),
        ..Forgery::of("in the query", vec![])
    });
    found.push(Forgery {
        body: Some(json!({"access_token": honest}).to_string()),
        ..Forgery::of("in the body", vec![])
    });
    // RFC 9110, section 5.5: this is no header, and so no request.
    let nul = Forgery::of("a NUL", vec![[line(&honest), vec![0]].concat()]);
    found.push(Forgery { status: 400, code: "", ..nul });
    let folded = Forgery::of(
        "a header in two lines",
        vec![b"Authorization: Bearer".to_vec(), format!(" {honest}").into_bytes()],
    );
    found.push(Forgery { status: 400, code: "", ..folded });
    found
}

/// What is unusual and yet right.
pub fn honest() -> Vec<(&'static str, Vec<u8>)> {
    let claims = CLAIMS.to_string();
    let token = signed(&claims);
    vec![
        ("an ordinary token", line(&token)),
        // RFC 9110, section 11.1: schemes are known in any case.
        ("a scheme in lower case", format!("authorization: bearer {token}").into_bytes()),
        ("a scheme in upper case", format!("AUTHORIZATION: BEARER {token}").into_bytes()),
        // RFC 9110, section 5.5: what stands around a value is none of it.
        ("whitespace around the value", format!("Authorization: \t Bearer {token} \t ").into_bytes()),
        // RFC 7519, section 4.1.3, and API Gateway: one of a list of audiences is enough.
        ("a list of audiences", line(&signed(&with("aud", json!(["another", AUDIENCE])).to_string()))),
        ("no nbf", line(&signed(&with("nbf", Value::Null).to_string()))),
        ("the last moment of all", line(&signed(&with("exp", json!(i64::MAX)).to_string()))),
        // RFC 7515, section 4.1.9, and RFC 9068: a type is for applications that need one.
        ("an access token by its type", line(&signed_with_header(&header(json!({"typ": "at+jwt"})), &claims))),
        ("no type", line(&signed_with_header(&header(json!({"typ": null})), &claims))),
        // What a token says of keys is not followed, neither to refuse nor to accept it.
        ("a jku", line(&signed_with_header(&header(json!({"jku": "https://forger.example/keys"})), &claims))),
    ]
}
