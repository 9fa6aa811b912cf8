package io.sparkweld.compile

import java.io.{DataInputStream, DataOutputStream, IOException}
import java.nio.charset.StandardCharsets.UTF_8

import com.fasterxml.jackson.core.{JsonFactory, StreamReadConstraints}
import com.fasterxml.jackson.databind.{JsonNode, ObjectMapper}
import com.fasterxml.jackson.databind.node.ObjectNode

/**
 * Represents a message to or from the compile service: a JSON object and blobs.
 *
 * Wire format, all big-endian: u32 length and UTF-8 JSON, u32 count of blobs, and u64 length and bytes for each.
 */
final case class Frame(json: JsonNode, blobs: Seq[Array[Byte]]) {

  def text(name: String): Option[String] = Option(json.get(name)).filterNot(_.isNull).map(_.asText)

  def status: String = text("status").getOrElse("")
}

object Frame {
  /** Larger sizes are not from the service: a stray byte must not make the reader allocate memory. */
  val MaxBlob = 1L << 30
  private val MaxJson = 256 << 20
  private val MaxBlobs = 1 << 16

  /** A JSON string may be the bytes of a function with its model, for which Jackson's default limit is too low. */
  val mapper = new ObjectMapper(
    new JsonFactory().setStreamReadConstraints(StreamReadConstraints.builder().maxStringLength(MaxJson).build()))

  def newObject(): ObjectNode = mapper.createObjectNode()

  def write(out: DataOutputStream, json: JsonNode, blobs: Seq[Array[Byte]]): Unit = {
    val bytes = mapper.writeValueAsBytes(json)
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
    val json = mapper.readTree(new String(bytes(in, in.readInt().toLong, MaxJson.toLong, "JSON"), UTF_8))
    val count = in.readInt()
    if (count < 0 || count > MaxBlobs) throw new IOException(s"the compile service sent a frame with $count blobs")
    Frame(json, Seq.fill(count)(bytes(in, in.readLong(), MaxBlob, "blob")))
  }

  private def bytes(in: DataInputStream, length: Long, limit: Long, what: String): Array[Byte] = {
    if (length < 0 || length > limit) throw new IOException(s"the compile service sent a $what of $length bytes")
    val result = new Array[Byte](length.toInt)
    in.readFully(result)
    result
  }
}
