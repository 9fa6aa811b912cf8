package io.sparkweld
package compile

import java.io.{DataInputStream, DataOutputStream, IOException}

import com.fasterxml.jackson.databind.JsonNode

import io.sparkweld.contract
import io.sparkweld.contract.{Constants, Decoder, Dependencies, Encoder, Envelope}
import io.sparkweld.support.Refusal

/**
 * Represents a message from the compile service: a JSON object and blobs.
 *
 * Wire format of both directions, all big-endian: u32 length and UTF-8 JSON, u32 count of blobs, and u64 length and bytes for
 * each.
 */
final case class Frame(json: JsonNode, blobs: Seq[Array[Byte]]) {

  /** The number of the request; None for a fault of the stream. */
  def id: Option[Long] = key[Long]("id")

  def status: String = key[String]("status").getOrElse("")

  /** Whether the service was interrupted and must not be used again. */
  def retires: Boolean = key[Boolean]("retire").getOrElse(false)

  /** Returns the answer; or the refusals, SW511 for a fault of the service and SW512 for a reply that does not fit the contract. */
  def answer[R](implicit decoder: Decoder[R]): Either[Seq[Refusal], R] = status match {
    case Frame.Ok => read[R]
    case Frame.Refused => read[contract.Refused].flatMap(refused => Left(Frame.refusals(refused)))
    case Frame.Error => read[contract.ErrorReply].flatMap(error => Left(Seq(Refusal("SW511", "reason" -> error.message))))
    case other => Left(Seq(Refusal("SW512", "what" -> s"its status is '$other'")))
  }

  /** Returns the fault that the service reports, if it is one. */
  def error: Option[contract.ErrorReply] =
    Option.when(status == Frame.Error)(read[contract.ErrorReply].getOrElse(contract.ErrorReply("no message", "")))

  /** Returns the refusals that the service reports, if any. */
  def refused: Option[contract.Refused] = Option.when(status == Frame.Refused)(read[contract.Refused]).flatMap(_.toOption)

  /** Returns the files and modules on which the answer depends. */
  def dependencies: Either[Seq[Refusal], Dependencies] = read[Dependencies]

  /** Whether a retry has the same result: the answer depends on no file and on no user module. */
  def isLasting: Boolean = dependencies.exists(found => found.files.forall(_.isEmpty) && found.modules.forall(_.isEmpty)) &&
    !refused.exists(Frame.refusals(_).exists(_.has("files")))

  private def read[T](implicit decoder: Decoder[T]): Either[Seq[Refusal], T] =
    Decoder.result[T](json).left.map(what => Seq(Refusal("SW512", "what" -> what)))

  private def key[T](name: String)(implicit decoder: Decoder[T]): Option[T] = Decoder.result[T](json.path(name)).toOption
}

object Frame {
  val Ok = "ok"
  private val Refused = "refused"
  private val Error = "error"

  /** Requests all payloads, as the service has evicted some. */
  val Needs = "needs"

  /** Requests another process, as a module has changed that the service cannot import again. */
  val Stale = "stale"

  /** Larger sizes are not from the service: a stray byte must not make the reader allocate memory. */
  val MaxBlob: Long = Constants.shared.limits.replyBlobBytes
  private val MaxJson = Constants.shared.limits.jsonBytes
  private val MaxBlobs = Constants.shared.limits.blobs

  /** Writes a message of the fields of `request` and `envelope`. */
  def write(out: DataOutputStream, request: Product, envelope: Envelope, blobs: Seq[Array[Byte]]): Unit = {
    val bytes = Encoder.bytes(request, envelope)
    out.writeInt(bytes.length)
    out.write(bytes)
    out.writeInt(blobs.size)
    blobs.foreach { blob =>
      out.writeLong(blob.length.toLong)
      out.write(blob)
    }
    out.flush()
  }

  /** Reads one frame. Throws IOException at the end of the stream and when the stream holds something else. */
  def read(in: DataInputStream): Frame = {
    val json = Encoder.read(bytes(in, in.readInt().toLong, MaxJson.toLong, "JSON"))
    val count = in.readInt()
    if (count < 0 || count > MaxBlobs) throw new IOException(s"the compile service sent a frame with $count blobs")
    Frame(json, Seq.fill(count)(bytes(in, in.readLong(), MaxBlob, "blob")))
  }

  private def refusals(of: contract.Refused): Seq[Refusal] =
    if (of.refusals.isEmpty) Seq(Refusal("SW512", "what" -> "it refused without a reason")) else of.refusals.map(Refusal.of)

  private def bytes(in: DataInputStream, length: Long, limit: Long, what: String): Array[Byte] = {
    if (length < 0 || length > limit) throw new IOException(s"the compile service sent a $what of $length bytes")
    val result = new Array[Byte](length.toInt)
    in.readFully(result)
    result
  }
}
