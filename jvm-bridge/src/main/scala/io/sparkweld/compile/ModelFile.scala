package io.sparkweld.compile

import java.io.IOException
import java.nio.file.{Files, Path, Paths}
import java.security.MessageDigest
import java.util.concurrent.TimeUnit

import scala.jdk.CollectionConverters._

import com.fasterxml.jackson.databind.JsonNode

import io.sparkweld.support.Refusal

import org.apache.spark.SparkFiles

/**
 * Describes a file that a function loads, as the compile service read it.
 *
 * A kernel represents the function only while the file has the same contents. `path`: as written in the function, or its name
 * among the files of the job (`ofJob`). `modified`: nanoseconds.
 */
final case class ModelFile(path: String, ofJob: Boolean, size: Long, modified: Long, digest: String) {

  /** Returns the name of the file in requests. */
  def name: String = if (ofJob) s"job:$path" else path

  /** Whether the file here has its recorded size and time, which suffices for a file that was read on this machine. */
  def untouched: Boolean = ModelFile.state(here).contains((size, modified))

  /**
   * Returns a refusal when the file of this machine has other contents, else None. It reads the contents once per size and time.
   */
  def difference: Option[Refusal] = {
    val found =
      try
        ModelFile.state(here) match {
          case None => Some("it is not there, or no regular file")
          case Some((other, _)) if other != size => Some(s"it has $other bytes and had $size")
          case Some(state) if ModelFile.digest(here, state) != digest => Some("it has other contents")
          case _ => None
        }
      catch { case problem: IOException => Some(problem.toString) }
    found.map(what => Refusal("SW861", "path" -> path, "what" -> what))
  }

  private def here: Path = Paths.get(if (ofJob) SparkFiles.get(path) else path)
}

object ModelFile {
  private val digests = new Lru[(Path, Long, Long), String](256)

  /** Returns the files that a reply lists. */
  def in(json: JsonNode): Seq[ModelFile] = json.path("files").elements().asScala.map { file =>
    ModelFile(file.path("path").asText, file.path("ofJob").asBoolean, file.path("bytes").asLong, file.path("modified").asLong,
      file.path("digest").asText)
  }.toSeq

  private def state(path: Path): Option[(Long, Long)] =
    if (!Files.isRegularFile(path)) None
    else Some((Files.size(path), Files.getLastModifiedTime(path).to(TimeUnit.NANOSECONDS)))

  private def digest(path: Path, state: (Long, Long)): String = synchronized {
    val key = (path.toAbsolutePath, state._1, state._2)
    digests.get(key).getOrElse {
      val made = digest(path)
      digests.put(key, made)
      made
    }
  }

  private def digest(path: Path): String = {
    val digest = MessageDigest.getInstance("SHA-256")
    val file = Files.newInputStream(path)
    try {
      val piece = new Array[Byte](1 << 20)
      Iterator.continually(file.read(piece)).takeWhile(_ >= 0).foreach(digest.update(piece, 0, _))
    } finally file.close()
    digest.digest().map(byte => f"$byte%02x").mkString
  }
}
