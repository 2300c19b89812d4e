//! What functions reach beside the server.

use ropeway_core::Clock;
use ropeway_runtime::Network;

use crate::world::World;

#[tokio::test]
async fn names_of_aws_are_the_server() {
    let world = World::new().await;
    let function = world.function("f");
    for name in ["sqs.eu-west-1.amazonaws.com:443", "bucket.s3.amazonaws.com:443"] {
        assert_eq!(world.ask(&function, &format!("resolve {name}")).await, "[127.0.0.1:443]");
    }
    assert_eq!(world.ask(&function, "resolve localhost:1").await, "[127.0.0.1:1]");
    let answers = async {
        let (mut stream, _) = world.server.accept().await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"welcome").await.unwrap();
    };
    let (said, ()) = tokio::join!(world.ask(&function, "connect 127.0.0.1:80"), answers);
    assert_eq!(said, "welcome");
}

#[tokio::test]
async fn connections_that_were_meant_for_aws_are_decrypted() {
    let world = World::new().await;
    let function = world.function("f");
    let answers = async {
        let (mut stream, _) = world.server.accept().await.unwrap();
        let mut asked = [0; 5];
        tokio::io::AsyncReadExt::read_exact(&mut stream, &mut asked).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"welcome").await.unwrap();
        asked
    };
    let (said, asked) = tokio::join!(world.ask(&function, "https queue.amazonaws.com"), answers);
    assert_eq!((said.as_str(), &asked), ("welcome", b"hello"));
}

#[tokio::test]
async fn what_leaves_is_led_to_the_server() {
    let world = World::new().await;
    let function = world.function("f");
    // Taken by the server, which refuses to carry it on: where clouds hand out a machine's credentials.
    let answer = world.ask(&function, "connect 169.254.169.254:80").await;
    assert!(answer.is_empty() || answer.contains("reset"), "{answer}");
    let world = World::with(|settings| settings.network = Network::ServerOnly, Clock::real(0)).await;
    let function = world.function("f");
    let answer = world.ask(&function, "connect 169.254.169.254:80").await;
    assert!(answer.contains("NetworkUnreachable"), "{answer}");
}
