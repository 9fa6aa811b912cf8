package io

import java.io.{ByteArrayOutputStream, InputStream}

import scala.collection.mutable
import scala.util.matching.Regex

/**
 * Adds methods that the library of Scala 2.13 has and that of Scala 2.12 lacks.
 *
 * The common sources use the library of 2.13. They see this object because they open `io.sparkweld` before their own package.
 */
package object sparkweld {
  type LazyList[+A] = Stream[A]
  val LazyList: Stream.type = Stream

  implicit final class OptionCompanion212(private val option: Option.type) extends AnyVal {
    def when[A](condition: Boolean)(value: => A): Option[A] = if (condition) Some(value) else None
    def unless[A](condition: Boolean)(value: => A): Option[A] = if (condition) None else Some(value)
  }

  implicit final class Either212[A, B](private val either: Either[A, Either[A, B]]) extends AnyVal {
    def flatten: Either[A, B] = either.fold(Left(_), identity)
  }

  implicit final class Iterator212[A](private val iterator: Iterator[A]) extends AnyVal {
    def nextOption(): Option[A] = if (iterator.hasNext) Some(iterator.next()) else None
  }

  implicit final class Extremes212[A](private val values: TraversableOnce[A]) extends AnyVal {
    def minOption[B >: A](implicit ordering: Ordering[B]): Option[A] = if (values.isEmpty) None else Some(values.min(ordering))
    def maxOption[B >: A](implicit ordering: Ordering[B]): Option[A] = if (values.isEmpty) None else Some(values.max(ordering))
    def maxByOption[B](by: A => B)(implicit ordering: Ordering[B]): Option[A] =
      if (values.isEmpty) None else Some(values.maxBy(by)(ordering))
  }

  implicit final class Seq212[A](private val values: Seq[A]) extends AnyVal {
    def distinctBy[B](key: A => B): Seq[A] = {
      val seen = mutable.HashSet.empty[B]
      values.filter(value => seen.add(key(value)))
    }

    def findLast(condition: A => Boolean): Option[A] = values.reverseIterator.find(condition)

    def groupMap[K, B](key: A => K)(value: A => B): Map[K, Seq[B]] = values.groupBy(key).map { case (k, group) => k -> group.map(value) }
  }

  implicit final class ArrayBuffer212[A](private val buffer: mutable.ArrayBuffer[A]) extends AnyVal {
    def sortInPlaceBy[B](by: A => B)(implicit ordering: Ordering[B]): mutable.ArrayBuffer[A] = {
      val sorted = buffer.sortBy(by)
      buffer.clear()
      buffer ++= sorted
    }

    def dropRightInPlace(count: Int): mutable.ArrayBuffer[A] = {
      buffer.trimEnd(count)
      buffer
    }
  }

  /** Java has the method from version 9 on. */
  implicit final class InputStream8(private val stream: InputStream) extends AnyVal {
    def readAllBytes(): Array[Byte] = {
      val (bytes, part) = (new ByteArrayOutputStream(), new Array[Byte](1 << 13))
      Iterator.continually(stream.read(part)).takeWhile(_ >= 0).foreach(bytes.write(part, 0, _))
      bytes.toByteArray
    }
  }

  implicit final class Regex212(private val regex: Regex) extends AnyVal {
    def matches(text: CharSequence): Boolean = regex.pattern.matcher(text).matches()
  }
}
