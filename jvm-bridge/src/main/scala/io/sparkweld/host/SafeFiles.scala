package io.sparkweld
package host

import java.io.{IOException, UncheckedIOException}
import java.nio.file.{Files, LinkOption, Path, Paths}

import scala.jdk.CollectionConverters._
import scala.util.control.NonFatal

/** Checks which files and folders no other local user can have put where they are. */
object SafeFiles {
  private val OthersMayWrite = 2
  private val GroupMayWrite = 16
  private val Sticky = 512
  private val Root = 0

  /** The user id of this process. */
  private lazy val own: Int =
    try Files.getAttribute(Paths.get("/proc/self"), "unix:uid").asInstanceOf[Int]
    catch { case NonFatal(_) => Files.getAttribute(Paths.get(System.getProperty("user.home")), "unix:uid").asInstanceOf[Int] }

  /**
   * Whether only the owners of the folders above `path` decide its contents. False for a world-writable folder, for a missing
   * path (somebody may still create it), and for another user's file or link in a world-writable folder.
   */
  def isSafe(path: Path): Boolean = isClosed(path, settled)

  /**
   * Whether no other user but root can have put `path` where it is: this user or root owns all of its components, and none is
   * group-writable.
   */
  def isOwn(path: Path): Boolean = isClosed(path, of => settled(of) && owned(of))

  /**
   * Creates an empty folder that only this user may enter, in `java.io.tmpdir`. Throws IOException when that folder is missing,
   * or anybody may rename its entries.
   */
  def newPrivateFolder(): Path = {
    val folder = Files.createTempDirectory("sparkweld-") // mode 0700
    if (isSafe(folder)) folder
    else {
      Files.deleteIfExists(folder)
      throw new IOException(s"every user of this machine may rename files in ${folder.getParent}: set -Djava.io.tmpdir to another " +
        "folder, or give that one the sticky bit (chmod +t)")
    }
  }

  /** Deletes a folder and its contents, as far as possible. */
  def delete(folder: Path): Unit =
    try {
      val all = Files.walk(folder)
      try all.iterator().asScala.toSeq.reverse.foreach(Files.deleteIfExists)
      finally all.close()
    } catch { case _: IOException | _: UncheckedIOException => () } // another process cleans this folder, too

  /** Whether `path` is not world-writable and `holds` for its name and for the file behind its links; false when it is missing. */
  private def isClosed(path: Path, holds: Path => Boolean): Boolean =
    try {
      val named = path.toAbsolutePath.normalize
      val real = named.toRealPath()
      (mode(real) & OthersMayWrite) == 0 && holds(named) && holds(real)
    } catch { case _: IOException | _: UnsupportedOperationException | _: SecurityException => false }

  /** Whether this user or root owns all components of `path`, and no group may write them. */
  private def owned(path: Path): Boolean = Iterator.iterate(path)(_.getParent).takeWhile(_ != null).forall { at =>
    val groupWrites = (mode(at) & (GroupMayWrite | Sticky)) == GroupMayWrite && !Files.isSymbolicLink(at)
    Set(Root, own)(attribute(at, "uid")) && !groupWrites
  }

  /**
   * Whether no component of `path` is in a world-writable folder, unless the component is ours and others cannot rename it
   * (sticky bit).
   */
  private def settled(path: Path): Boolean =
    Iterator.iterate(path)(_.getParent).takeWhile(_.getParent != null).forall { at =>
      val above = mode(at.getParent)
      (above & OthersMayWrite) == 0 || ((above & Sticky) != 0 && Set(Root, own)(attribute(at, "uid")))
    }

  private def mode(path: Path): Int = attribute(path, "mode")

  private def attribute(path: Path, name: String): Int =
    Files.getAttribute(path, s"unix:$name", LinkOption.NOFOLLOW_LINKS).asInstanceOf[Int]
}
