package io.sparkweld
package compile

import java.io.IOException
import java.nio.file.{Files, Path, Paths}
import java.security.MessageDigest
import java.util.concurrent.TimeUnit

import io.sparkweld.contract.ModelFile
import io.sparkweld.support.Refusal

import org.apache.spark.SparkFiles

/**
 * Compares the files that functions load with those that the compile service has read.
 *
 * A kernel represents a function only while its files have the same contents. `modified` is in nanoseconds.
 */
object ModelFiles {
  private val digests = new Lru[(Path, Long, Long), String](256)

  /** Returns the name of the file in requests. */
  def nameOf(file: ModelFile): String = if (file.ofJob) s"job:${file.path}" else file.path

  /** Whether the file here has its recorded size and time, which suffices for a file that was read on this machine. */
  def isUntouched(file: ModelFile): Boolean = state(here(file)).contains((file.bytes, file.modified))

  /**
   * Returns a refusal when the file of this machine has other contents, else None. It reads the contents once per size and time.
   */
  def difference(file: ModelFile): Option[Refusal] = {
    val found =
      try
        state(here(file)) match {
          case None => Some("it is not there, or no regular file")
          case Some((other, _)) if other != file.bytes => Some(s"it has $other bytes and had ${file.bytes}")
          case Some(state) if digest(here(file), state) != file.digest => Some("it has other contents")
          case _ => None
        }
      catch { case problem: IOException => Some(problem.toString) }
    found.map(what => Refusal("SW861", "path" -> file.path, "what" -> what))
  }

  private def here(file: ModelFile): Path = Paths.get(if (file.ofJob) SparkFiles.get(file.path) else file.path)

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
